"""The writer: takes items from the buffer and stores them in Redis, as a chain (R3).

Every item names the sequence it follows. Up to ``maxConcurrency`` are pipelined at once;
after a refusal the writer sends again from there. What a refusal can mean:

* ``holder``   another gateway has the account: stop, keep the session
* ``session``, or a cursor before what was confirmed: the store went back (R2). Everything
  in hand is dropped and the connection RESUMEs from the stored cursor; Discord replays.
* ``error``    this event alone cannot be stored: sent again alone, then skipped with its
  reason to the dead letters, which is the only other way the cursor moves.

While Redis is away the writer waits and the buffer fills; heartbeats have their own thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from gateway.backfill import Backfill
from gateway.buffer import Buffer, Item
from gateway.events import Kept, Malformed
from gateway.facts import apply_fact, guild_of
from gateway.patience import GaveUp, Patience, is_passing
from gateway.session import SessionState
from gateway.telling import Teller
from shoal.base import exits
from shoal.base.errors import InvalidName, ProcessError, ShoalError, StateConflict
from shoal.base.logging import get_logger
from shoal.state.intake import Cursor, IntakeEvent, IntakeResult
from shoal.state.store import Store

__all__ = ["Listener", "StoreWentBack", "Writer", "state_of"]

log = get_logger(__name__)

IDLE_S = 2.0
"""How often an idle writer looks whether the store went back."""

Answer = TypeVar("Answer")


class StoreWentBack(ShoalError):
    """The store is behind what it had confirmed: RESUME from what is stored."""

    code = "store-went-back"


class Listener(Protocol):
    """Whom the writer tells."""

    def restore(self, state: SessionState | None) -> None:
        """RESUME from ``state``; the writer has dropped everything it had."""
        ...


class Holder(Protocol):
    """The account's lock as the writer sees it."""

    token: str

    def reacquire(self) -> bool:
        """Take the lock again if it only ran out; False if somebody else has it."""
        ...


class Writer:
    """One shard's way into Redis. :meth:`run` is the body of its thread.

    Args:
        confirmed: the stored cursor at the start, or ``None`` before the first session.
        me: our own user id, as far as it is known.
        concurrency: events pipelined at once.
        budget_s: seconds from frame to record beyond which the slow line is due.
        backfill: fills the gap before a session that is no resumed one.
    """

    def __init__(
        self,
        store: Store,
        account: str,
        shard: int,
        holder: Holder,
        buffer: Buffer,
        listener: Listener,
        *,
        confirmed: Cursor | None,
        me: str | None,
        concurrency: int,
        budget_s: float,
        backfill: Backfill | None = None,
    ) -> None:
        self._store = store
        self._account = account
        self._shard = shard
        self._holder = holder
        self._buffer = buffer
        self._listener = listener
        self._concurrency = concurrency
        self._teller = Teller(account, budget_s)
        self._backfill = backfill
        self._direct: set[str] = set()
        self._patience = Patience(account, lambda: len(buffer))
        self.confirmed = confirmed
        self.me = me
        self.stored = 0
        self.skipped = 0
        self.last_event = 0.0

    # -- the thread ------------------------------------------------------------------------------

    def run(self) -> None:
        """Write until the buffer is closed and empty, or :meth:`abandon` is called.

        Raises:
            ProcessError: somebody else has the account.
            StateConflict: the store refuses what must not be refused.
        """
        try:
            while not (self._buffer.closed and not len(self._buffer)):
                items = self._buffer.take(self._concurrency, IDLE_S)
                try:
                    self._write(items) if items else self._look()
                except StoreWentBack as error:
                    self._restore(error)
        except GaveUp as error:
            log.warning("intake given up; Discord replays the rest", account=self._account, error=error)
        finally:
            self._buffer.drop()  # nobody takes any more: the reader must not wait for room

    def abandon(self) -> None:
        """Do not wait for Redis any longer."""
        self._patience.leave()

    def _restore(self, error: StoreWentBack) -> None:
        dropped = self._buffer.drop()
        cursor = self._patient(lambda: self._store.intake.cursor(self._account, self._shard), check=False)
        log.warning("store went back; resuming from its cursor", account=self._account, error=error,
                    dropped=dropped, seq=cursor.seq if cursor else None)  # fmt: skip
        self.confirmed = cursor if cursor and cursor.session_id else None
        self._listener.restore(state_of(cursor))

    def _look(self) -> None:
        """Nothing to write: tell what is untold, and has the store gone back meanwhile?"""
        self._teller.next_second()
        if self.confirmed is not None and not self._buffer.closed:
            self._patient(lambda: None, check=True, look=True)

    # -- writing ---------------------------------------------------------------------------------

    def _write(self, items: Sequence[Item]) -> None:
        """Store items in order; runs of ordinary ones go out pipelined."""
        run: list[Item] = []
        for item in items:
            special = item.begin or item.lost or item.go_on or item.fact is not None or item.bad is not None
            if not special:
                run.append(item)
                continue
            self._chain(run)
            run = []
            self._special(item)
        self._chain(run)

    def _special(self, item: Item) -> None:
        if item.fact is not None:
            fact = item.fact
            try:
                self._patient(
                    lambda: apply_fact(self._store.facts, self._account, item.event, fact, self.me),
                    check=item.begin is None,
                )
            except (Malformed, StateConflict) as error:
                item.bad, item.payload = error.message, bytes(fact)
        self._mind_gap(item)
        if item.go_on:
            return
        if item.lost:
            self._held(self._forget)
            self.confirmed = None
        elif item.begin is not None:
            self._begin(item, item.begin)
        elif item.bad is not None:
            self._skip(item, item.bad)
        else:
            self._chain([item])

    def _forget(self) -> None:
        self._store.intake.forget_session(self._account, self._shard, token=self._token())

    def _mind_gap(self, item: Item) -> None:
        """What the back-fill must know before the next event is handled; the facts are written."""
        backfill = self._backfill
        if backfill is None:
            return
        if item.go_on:
            self._held(partial(backfill.begin, None))
        elif item.lost:
            self._held(backfill.lost)
        elif item.begin is not None:
            self._held(partial(backfill.begin, item.fact))
        elif item.fact is not None and item.event in ("GUILD_CREATE", "GUILD_DELETE") and backfill.filling:
            guild, away = guild_of(item.fact)
            if guild:
                self._held(partial(backfill.guild, guild, gone=away or item.event == "GUILD_DELETE"))

    def _begin(self, item: Item, state: SessionState) -> None:
        def store() -> Cursor:
            return self._store.intake.begin_session(
                self._account, self._shard, state.session_id, state.resume_url, item.seq, token=self._token()
            )

        self.confirmed = self._held(store)
        self._done(item)

    def _chain(self, run: Sequence[Item]) -> None:
        """Store a run of items; sends again from the first refusal until none is left."""
        rest = list(run)
        alone = False
        while rest:
            batch = rest[:1] if alone else rest
            try:
                result = self._patient(partial(self._apply, batch))
            except (InvalidName, ValueError) as error:
                self._unnameable(rest, error)
                continue
            for item in rest[: result.applied]:
                self._done(item)
            del rest[: result.applied]
            if result.refused is None:
                alone = False
            elif is_passing(result.refused):
                self._patience.pause(result.refused)
            elif result.refused.startswith("error"):
                if alone or len(batch) == 1:
                    self._skip(rest.pop(0), result.refused)
                alone = not alone
            else:
                self._refused(result.refused, result.cursor, rest)

    def _apply(self, batch: Sequence[Item]) -> IntakeResult:
        for item in batch:  # before the event: what is known of a channel never lacks behind its messages
            direct = item.kept.direct if item.kept else None
            if direct is not None and direct[0] not in self._direct:
                self._store.facts.put_direct(self._account, *direct)
                self._direct.add(direct[0])
        return self._store.intake.apply([self._event(item) for item in batch], token=self._token())

    def _unnameable(self, rest: list[Item], error: Exception) -> None:
        """One item cannot be a key or a record, so nothing was sent: store those before it, then skip it."""
        for index, item in enumerate(rest):
            try:
                self._event(item).encode()
            except (InvalidName, ValueError) as reason:
                before = rest[:index]
                del rest[: index + 1]
                self._chain(before)
                self._skip(item, f"{type(reason).__name__}: {reason}")
                return
        raise StateConflict(f"a batch was refused ({error}), but none of its events", "intake") from error

    def _event(self, item: Item) -> IntakeEvent:
        kept = item.kept
        place = (self._account, self._shard, item.session_id, item.follows, item.seq)
        if kept is None:
            return IntakeEvent(*place)
        return IntakeEvent(
            *place,
            dedup=kept.dedup,
            lane=kept.lane,
            record=kept.record,
            also=kept.also,
            seen=kept.seen,
            outcome=kept.outcome,
        )

    def _refused(self, why: str, cursor: int, rest: list[Item]) -> None:
        if why == "holder":
            self._take_back()
            return
        if why == "session":
            raise StoreWentBack("Another session is stored than the one in use.")
        confirmed = self.confirmed.seq if self.confirmed else -1
        if cursor < confirmed or not rest:
            raise StoreWentBack(f"The stored cursor is {cursor}, confirmed was {confirmed}.")
        ahead = [item for item in rest if item.seq <= cursor]
        if not ahead and rest[0].follows != cursor:
            raise StoreWentBack(f"The stored cursor {cursor} fits nothing in hand.")
        for item in ahead:  # stored by a call whose answer was lost
            rest.remove(item)
            self._done(item)

    def _skip(self, item: Item, reason: str) -> None:
        """Move the cursor past an event that cannot be stored; its payload goes to the dead letters."""
        self.skipped += 1
        log.error("event skipped", account=self._account, event_name=item.event, seq=item.seq, reason=reason)
        event = IntakeEvent(self._account, self._shard, item.session_id, item.follows, item.seq)
        payload = item.payload or (item.kept.record.body if item.kept and item.kept.record else b"")

        def skip() -> None:
            self._store.intake.skip(event, reason, token=self._token(), payload=payload)

        try:
            self._held(skip)
        except StateConflict as error:
            stored = self._patient(lambda: self._store.intake.cursor(self._account, self._shard))
            if stored is None or stored.session_id != item.session_id or stored.seq < item.seq:
                raise StoreWentBack(f"An event could not be skipped ({error.reason}).") from error
        self._done(item)

    def _held(self, call: Callable[[], Answer]) -> Answer:
        """A call that may be refused because the lock ran out while Redis was away."""
        try:
            return self._patient(call, check=False)
        except StateConflict as error:
            if error.reason != "holder":
                raise
            self._take_back()
            return self._patient(call, check=False)

    def _take_back(self) -> None:
        if not self._patient(self._holder.reacquire, check=False):
            raise ProcessError(
                f"Another gateway has taken account {self._account}.",
                fix="Run one gateway for each account, or take it back with --force.",
                exit_code=exits.BUSY,
            )

    def _done(self, item: Item) -> None:
        """An item is durable: remember it, say it, and notice if that took long."""
        self.stored += 1
        now = time.monotonic()
        if self.confirmed is not None:
            known = self.confirmed
            self.confirmed = Cursor(known.session_id, known.resume_url, item.seq, known.epoch)
        if item.event:
            self.last_event = now
        if item.kept is not None:
            self._tell(item.kept)
        self._teller.slow(item.event, item.received, now, len(self._buffer))

    def _tell(self, kept: Kept) -> None:
        if kept.ids:
            self._teller.received(kept.ids)
        if kept.echo is not None:
            echo = kept.echo
            self._patient(lambda: self._store.receipts.echo(self._account, *echo), check=False)

    # -- patience --------------------------------------------------------------------------------

    def _token(self) -> str:
        return self._holder.token

    @property
    def away_since(self) -> float | None:
        """Monotonic seconds since when Redis is away; ``None`` while it answers."""
        return self._patience.away_since

    def _patient(self, call: Callable[[], Answer], *, check: bool = True, look: bool = False) -> Answer:
        """Call until Redis answers; after an absence see first whether the store went back.

        Args:
            check: compare the stored cursor with what was confirmed, after an absence.
            look: compare it now.
        """
        return self._patience.call(call, after_absence=self._compare if check else _nothing, look=look)

    def _compare(self) -> None:
        known = self.confirmed
        if known is not None and self._store.intake.behind(self._account, self._shard, known):
            raise StoreWentBack("The stored cursor is behind what was confirmed.")


def _nothing() -> None:
    """No comparison."""


def state_of(cursor: Cursor | None) -> SessionState | None:
    """What can be resumed, of a stored cursor."""
    if cursor is None or not cursor.session_id:
        return None
    return SessionState(cursor.session_id, cursor.resume_url, cursor.seq)
