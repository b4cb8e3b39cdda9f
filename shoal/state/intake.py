"""Intake: what the gateway may write, as a chain (R3).

Each event names the sequence it *follows* and the one it sets. One script per event moves
the cursor, drops repeats, pushes the record and hints, or refuses everything: when the
stored cursor is not what the event follows, when the session is another one, or when the
caller no longer holds the account. Calls are pipelined; after a refusal every later event
of the batch is refused too, so the stored events are always a prefix of what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis

from shoal.base.errors import StateConflict, StateError, StoreUnavailable, StoreUnsuitable
from shoal.base.ids import check_name
from shoal.state.client import map_error
from shoal.state.ledger import one_line
from shoal.state.queues import check_lane
from shoal.state.records import Record
from shoal.state.scripts import Args

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Cursor", "Intake", "IntakeEvent", "IntakeResult"]


RUN_MIN = 3
RUN_MAX = 200
RUN_BYTES = 1024 * 1024
"""Events in a run that one script stores, and the bytes of their bodies: a script holds up everybody else."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a shard's session stands, and in which epoch of the store that was confirmed."""

    session_id: str
    resume_url: str
    seq: int
    epoch: str


@dataclass(frozen=True, slots=True)
class IntakeEvent:
    """One dispatch (or a run of dispatches that are not kept, as one event without a lane).

    Attributes:
        account, shard, session_id: which session it came on. Discord's session id is opaque.
        follows: sequence the stored cursor must have.
        seq: sequence it sets; greater than ``follows``.
        dedup: identity that must not come twice: ``m:<snowflake>`` is remembered for 25 h, anything
            else for at least 10 min; None = no check.
        lane, record: what to push; both or neither.
        also: a second push, for abort words that go past their channel (R7).
        seen: (channel id, message id) to keep as the channel's newest.
        outcome: (message id, outcome, reason) for what is decided at once (own messages, …).
    """

    account: str
    shard: int
    session_id: str
    follows: int
    seq: int
    dedup: str | None = None
    lane: str | None = None
    record: Record | None = None
    also: tuple[str, Record] | None = None
    seen: tuple[str, str] | None = None
    outcome: tuple[str, str, str] | None = None

    def encode(self) -> Args:
        """The script's arguments after the token; raises InvalidName or ValueError for what must not pass."""
        if (self.lane is None) != (self.record is None):
            raise ValueError("an intake event has a lane and a record, or neither")
        args: Args = [
            check_name(self.account, "account"),
            int(self.shard),
            self.session_id,
            int(self.follows),
            int(self.seq),
            check_name(self.dedup, "dedup identity") if self.dedup else "",
        ]
        pushes = [(self.lane, self.record)] if self.lane and self.record else []
        pushes += [self.also] if self.also else []
        args.append(len(pushes))
        for lane, record in pushes:
            args += [check_lane(lane), record.identity, record.frame()]
        channel, newest = self.seen or ("", "")
        args += [check_name(channel) if channel else "", check_name(newest) if newest else ""]
        if self.outcome is None:
            return [*args, "", "", ""]
        message, outcome, reason = self.outcome
        args += [check_name(message) if message else "", outcome, one_line(reason)]
        return args


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What became of a batch.

    Attributes:
        applied: length of the prefix that is stored now (repeats and known duplicates included).
        refused: why the next one is not: ``holder`` (not ours any more: stop), ``session`` (another
            session is stored), ``chain`` (the cursor is elsewhere: read it, send again from there),
            ``error: …`` (this event alone fails: :meth:`Intake.skip` it); None = all applied.
        duplicates: how many of the applied were known already.
        cursor: sequence stored at the refusal, for ``chain``; -1 otherwise.
    """

    applied: int
    refused: str | None
    duplicates: int = 0
    cursor: int = -1


class Intake:
    """The gateway's side of the store. Every writing call wants the holder token of the account."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- who owns the account --------------------------------------------------------------------

    def holder_acquire(self, account: str, token: str, ttl_ms: int, force: bool = False) -> bool:
        """Become the one gateway of an account, or stay it for longer: ``token`` may hold it already."""
        return self._holder("acquire", account, token, ttl_ms, force)

    def holder_release(self, account: str, token: str) -> bool:
        """Give the account up; False if it is somebody else's."""
        return self._holder("release", account, token, 0, False)

    def holder(self, account: str) -> str | None:
        """Token of the present holder."""
        raw: bytes | None = self._store.redis.get(self._store.keys.holder(account))
        return raw.decode() if raw else None

    def _holder(self, verb: str, account: str, token: str, ttl_ms: int, force: bool) -> bool:
        check_name(account, "account")
        check_name(token, "token")
        reply = self._store.script("holder")(verb, account, token, int(ttl_ms), int(force))
        return bool(reply[0] == b"ok")

    # -- the cursor ------------------------------------------------------------------------------

    def cursor(self, account: str, shard: int) -> Cursor | None:
        """The stored cursor with the store's present epoch, or None before the first session."""
        key = self._store.keys.cursor(account, shard)
        session, url, seq = self._store.redis.hmget(key, "session", "url", "seq")
        if session is None:
            return None
        return Cursor(session.decode(), (url or b"").decode(), int(seq or 0), self._store.epoch())

    def behind(self, account: str, shard: int, confirmed: Cursor) -> bool:
        """Whether the store went back behind what was confirmed to us (R2): ask after every reconnect.

        True: drop the socket with a resumable code and RESUME from the stored cursor.
        """
        stored = self.cursor(account, shard)
        if stored is None or stored.epoch != confirmed.epoch or stored.session_id != confirmed.session_id:
            return True
        return stored.seq < confirmed.seq

    def begin_session(
        self, account: str, shard: int, session_id: str, resume_url: str, seq: int, *, token: str
    ) -> Cursor:
        """Store a new session at READY, whose own sequence is ``seq``.

        Raises:
            StateConflict: ``holder``: the account is somebody else's now.
        """
        check_name(account, "account")
        self._one("intake_begin", token, account, int(shard), session_id, resume_url, int(seq))
        return Cursor(session_id, resume_url, seq, self._store.epoch())

    def forget_session(self, account: str, shard: int, *, token: str) -> None:
        """The session cannot be resumed any more (op 9, 4009): the next connect identifies."""
        self._one("intake_begin", token, check_name(account, "account"), int(shard), "", "", 0)

    # -- events ----------------------------------------------------------------------------------

    def apply(self, batch: Sequence[IntakeEvent], *, token: str) -> IntakeResult:
        """Store a batch in order, pipelined; stops counting at the first refusal.

        Safe to call again with the same batch after StoreUnavailable.

        Raises:
            StoreUnavailable: nothing is known about the batch; send it again.
            InvalidName, ValueError: an event is malformed; nothing of the batch was sent.
        """
        check_name(token, "token")
        encoded = [event.encode() for event in batch]
        if len(batch) >= RUN_MIN and (repeats := self._run(batch, encoded, token)) is not None:
            return IntakeResult(len(batch), None, repeats)
        script = self._store.script("intake")
        for attempt in (1, 2):
            replies = self._pipelined(script, token, encoded)
            if not any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
                break
            if attempt == 2:
                raise StoreUnavailable("Redis forgot the intake script while it was being used.")
            script.load()
        return _result(replies)

    def _run(self, batch: Sequence[IntakeEvent], encoded: list[Args], token: str) -> int | None:
        """Store plain events that follow each other by one script: a quarter of the work for Redis.

        Returns:
            How many were known already; None = nothing is stored, each must be sent for itself.
        """
        first = batch[0]
        args: Args = []
        size, follows = 0, first.follows
        for event, parts in zip(batch, encoded, strict=True):
            if event.follows != follows or event.also or event.outcome or parts[:3] != encoded[0][:3]:
                return None
            follows = event.seq
            pushed = parts[7:10] if parts[6] else ["", "", ""]
            size += len(event.record.body) if event.record else 0
            args += [event.seq, parts[5], *pushed, *parts[-5:-3]]
        if len(batch) > RUN_MAX or size > RUN_BYTES:
            return None
        try:
            reply = self._store.script("intake_run")(token, *encoded[0][:4], len(batch), *args)
        except (StoreUnavailable, StoreUnsuitable):
            raise
        except StateError:
            return None  # whose fault it is comes out one by one
        return int(reply[1]) if reply[0] == b"ok" else None

    def _pipelined(self, script: Any, token: str, encoded: list[Args]) -> list[Any]:
        pipeline = self._store.redis.pipeline(transaction=False)
        for args in encoded:
            script.queue(pipeline, token, *args)
        return list(pipeline.execute(raise_on_error=False))

    def skip(self, event: IntakeEvent, reason: str, *, token: str, payload: bytes = b"") -> None:
        """Move the cursor past an event that fails alone; what it was goes to the dead (R3).

        Args:
            payload: the raw dispatch, kept with the dead record when the event has no record; at most 256 kB.

        Raises:
            StateConflict: ``holder``, ``session`` or ``chain``.
        """
        frame = _dead_frame(event, payload)
        self._one(
            "intake_skip",
            token,
            check_name(event.account, "account"),
            int(event.shard),
            event.session_id,
            int(event.follows),
            int(event.seq),
            event.lane or "",
            event.record.identity if event.record else f"intake.{event.account}.{event.shard}.{event.seq}",
            frame,
            one_line(reason),
        )

    def _one(self, script: str, *args: bytes | str | int) -> None:
        reply = self._store.script(script)(*args)
        if reply[0] != b"ok":
            raise StateConflict(reply[1].decode(), script)

    # -- small things between gateway and workers ------------------------------------------------

    def newest(self, account: str) -> dict[str, str]:
        """Channel id → newest message id taken in, for back-fill (R19)."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.last(account))
        return {channel.decode(): message.decode() for channel, message in raw.items()}

    def command(self, account: str, payload: bytes) -> None:
        """Queue a gateway command (presence, voice state, member request) for the account's holder."""
        key = self._store.keys.commands(account)
        pipeline = self._store.redis.pipeline(transaction=True)
        pipeline.rpush(key, payload).ltrim(key, -1000, -1)
        pipeline.execute()

    def commands(self, account: str, limit: int = 10) -> list[bytes]:
        """Take queued gateway commands, oldest first. One that is lost with its taker is not repeated."""
        taken: list[bytes] | None = self._store.redis.lpop(self._store.keys.commands(account), limit)
        return taken or []

    def ack(self, interaction_id: str, by: str) -> bool:
        """Note that an interaction has been answered; False if that was noted before (R10)."""
        key = self._store.keys.ack(interaction_id)
        return bool(self._store.redis.set(key, by, nx=True, ex=900))

    def acked(self, interaction_id: str) -> str | None:
        """Who answered an interaction."""
        raw: bytes | None = self._store.redis.get(self._store.keys.ack(interaction_id))
        return raw.decode() if raw else None


def _dead_frame(event: IntakeEvent, payload: bytes) -> bytes:
    """The record that could not be taken in, or one made of the raw payload."""
    if event.record is not None:
        try:
            return event.record.frame()
        except ValueError:
            payload = payload or event.record.body
    return Record("intake", "intake", payload[: 256 * 1024]).frame()


def _result(replies: list[Any]) -> IntakeResult:
    """Count the applied prefix of a pipeline's answers."""
    duplicates = 0
    for index, reply in enumerate(replies):
        if isinstance(reply, Exception):
            mapped = map_error(reply)
            if mapped is not reply:
                raise mapped from reply  # about the server, not about this event
            return IntakeResult(index, f"error: {reply}"[:400], duplicates)
        status = reply[0]
        if status == b"refused":
            return IntakeResult(index, reply[1].decode(), duplicates, int(reply[2]))
        if status == b"conflict":
            return IntakeResult(index, f"error: {reply[1].decode()}", duplicates)
        duplicates += status == b"dup"
    return IntakeResult(len(replies), None, duplicates)
