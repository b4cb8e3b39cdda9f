"""Back-fill: what was said while no session listened comes first (R19).

A session that could not be resumed leaves a gap. For one shard:

    READY           the newest message of each channel is remembered in Redis (a killed gateway goes on from
                    there), and the inbound lanes of places that were active are held, before any event of the
                    new session is handled; live events queue in them
    GUILD_CREATE    a channel whose ``last_message_id`` is not above what we had is let go without a request;
                    the others, and DMs of the last 7 days, are read by REST, with background priority
    each message    enters as a live one would (same identity, same repeat check), at its place by birth:
                    ahead of what came live, behind what had waited before
    then            the lane is let go, at the latest 20 s after it was held, by Redis itself

Bounds: the newest 50 messages of a channel; 24 hours, below the 25 h of the repeat check; what
is older than an hour is marked as history and starts no turn. Not fetched can be: reactions,
clicks, edits and deletions. Which channels are looked at: :mod:`gateway.reach`.

:meth:`Backfill.begin` and :meth:`Backfill.guild` are called by the writer, in the order of the
dispatches; both may be called twice. Reading (:mod:`gateway.backfill_read`) happens in a few
threads of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from gateway.backfill_read import Filled, GapReader, Holder, Job, Reader, Source
from gateway.events import name_part
from gateway.facts import shard_of
from gateway.reach import Reach
from shoal.base.errors import ShoalError, StoreUnavailable
from shoal.base.ids import snowflake_at
from shoal.base.logging import get_logger
from shoal.state.gaps import Gap
from shoal.state.store import Store

__all__ = ["Backfill"]

log = get_logger(__name__)

MAX_AGE_MS = 24 * 3_600_000
HOLD_MS = 20_000
MAX_HELD = 1_000
"""Lanes held at READY, those with the newest messages first; the others when their guild is told."""
GUILDS_S = 60.0
"""How long guilds of the READY are waited for before the gap is closed without them."""
MARGIN_MS = 60_000
"""Taken off the time of the last event, for clocks that differ."""
READERS = 4

Json = dict[str, Any]


@dataclass(slots=True)
class _State:
    """One gap being filled."""

    generation: int
    gap: Gap
    waiting: set[str]
    begun: float
    reader: GapReader
    held: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    running: int = 0


class _Ready(msgspec.Struct):
    guilds: list[Any] = []


class Backfill:
    """Fills the gaps of one shard.

    Args:
        me: our own user id, asked when needed.
        on_filled: told once for each gap that had something in it.
    """

    def __init__(
        self,
        store: Store,
        reader: Reader,
        holder: Holder,
        reach: Reach,
        account: str,
        *,
        shard: int,
        shards: int,
        me: Callable[[], str | None],
        on_filled: Callable[[Filled], None],
    ) -> None:
        self._store = store
        self._holder = holder
        self._reach = reach
        self._account = account
        self._shard = shard
        self._shards = shards
        self._on_filled = on_filled
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._source = Source(store, reader, holder, reach, account, shard, me, self._stopping.wait)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix=f"backfill-{shard}")
        self._state: _State | None = None
        self._generation = 0

    @property
    def filling(self) -> bool:
        """Whether a gap is being filled now."""
        return self._state is not None

    # -- called by the writer --------------------------------------------------------------------

    def lost(self) -> None:
        """The session cannot be resumed: remember where we were, before its cursor is forgotten.

        Raises:
            StoreUnavailable, StateConflict.
        """
        self._store.gaps.open(self._account, self._shard, token=self._holder.token)

    def begin(self, ready: msgspec.Raw | None) -> None:
        """READY of a new session, or (None) a gap that a gateway before us left open.

        Raises:
            StoreUnavailable, StateConflict.
        """
        if ready is not None:
            self._store.gaps.open(self._account, self._shard, token=self._holder.token)
        gap = self._store.gaps.read(self._account, self._shard)
        if gap is None:
            with self._lock:
                self._state = None
            return
        guilds = set(self._mine(self._store.facts.guilds(self._account)))
        if ready is not None:
            guilds = set(_guild_ids(ready))
        with self._lock:
            self._generation += 1
            reader = GapReader(self._source, partial(self._is_filling, self._generation))
            if gap.since_ms:
                reader.filled.gap_ms = max(0, self._store.now_ms() - gap.since_ms)
            state = self._state = _State(self._generation, gap, guilds, time.monotonic(), reader)
        direct = self._store.facts.direct(self._account) & set(gap.after) if self._shard == 0 else set()
        if not self._reach.direct:
            direct = set()
        self._hold(state, [*direct, *self._active(gap, guilds)])
        for channel in direct:
            self._ask(state, channel, None, gap.after[channel])
        if ready is None:
            for guild_id in sorted(guilds):
                self.guild(guild_id)

    def guild(self, guild_id: str, *, gone: bool = False) -> None:
        """A guild and its channels are known now (its facts are written), or it is away.

        Raises:
            StoreUnavailable.
        """
        with self._lock:
            state = self._state
        if state is None or guild_id not in state.waiting:
            return
        if not gone:
            self._compare(state, guild_id)
        with self._lock:
            state.waiting.discard(guild_id)
        self._finish(state)

    def _compare(self, state: _State, guild_id: str) -> None:
        name = self._name(guild_id)
        channels = {str(one["id"]): one for one in self._store.facts.channels(self._account, guild_id)}
        wanted: dict[str, str] = {}
        for channel_id, channel in channels.items():
            after = self._after(state.gap, channel_id)
            newest = channel.get("last_message_id")
            parent = channels.get(str(channel.get("parent_id"))) if "thread_metadata" in channel else None
            if after is None or not _newer(newest, after):
                continue
            if self._reach.channel(guild_id, name, channel, parent):
                wanted[channel_id] = after
        self._hold(state, [channel for channel in wanted if channel not in state.held])
        free = [channel for channel in channels if channel not in wanted]
        self._release([channel for channel in free if channel in state.held])
        self._store.gaps.done(self._account, self._shard, free)
        state.held.difference_update(free)
        for channel_id, after in wanted.items():
            self._ask(state, channel_id, guild_id, after)

    def _after(self, gap: Gap, channel: str) -> str | None:
        """After which message to read, bounded by age; ``None`` if nothing was ever taken in anywhere."""
        floor = snowflake_at(self._store.now_ms() - MAX_AGE_MS)
        known = gap.after.get(channel)
        if known is None:
            if gap.since_ms is None:
                return None
            known = str(snowflake_at(max(gap.since_ms - MARGIN_MS, 1_420_070_400_000)))
        return str(max(int(known), floor)) if known.isdigit() else None

    def _active(self, gap: Gap, guilds: set[str]) -> list[str]:
        """Guild channels we had messages from, newest first, that could be heard."""
        newest = sorted(gap.after, key=lambda channel: int(gap.after[channel]), reverse=True)[: 2 * MAX_HELD]
        known = self._store.facts.some(self._account, "channel", newest)
        parents = [str(one["parent_id"]) for one in known.values() if one.get("parent_id")]
        places = {**self._store.facts.some(self._account, "channel", parents), **known}
        names = {guild: self._name(guild) for guild in guilds}
        active = []
        for channel in newest:
            fact = known.get(channel)
            guild = str(fact.get("guild_id")) if fact else ""
            if fact is None or guild not in names:
                continue
            parent = places.get(str(fact.get("parent_id"))) if "thread_metadata" in fact else None
            if self._reach.channel(guild, names[guild], fact, parent):
                active.append(channel)
        return active[:MAX_HELD]

    def _name(self, guild_id: str) -> str:
        return str((self._store.facts.guild(self._account, guild_id) or {}).get("name") or "")

    def _mine(self, guilds: Iterable[str]) -> list[str]:
        return [one for one in guilds if shard_of(one, self._shards) == self._shard]

    # -- holding ---------------------------------------------------------------------------------

    def _lane(self, channel: str) -> str:
        return f"inbound:{self._account}:{name_part(channel)}"

    def _hold(self, state: _State, channels: list[str]) -> None:
        self._store.gaps.hold([self._lane(channel) for channel in channels], deadline_ms=HOLD_MS)
        state.held.update(channels)

    def _release(self, channels: list[str]) -> None:
        self._store.gaps.hold([self._lane(channel) for channel in channels], deadline_ms=0)

    # -- reading ---------------------------------------------------------------------------------

    def _ask(self, state: _State, channel: str, guild: str | None, after: str) -> None:
        with self._lock:
            if channel in state.asked or self._stopping.is_set():
                return
            state.asked.add(channel)
            state.running += 1
        self._pool.submit(self._job, state, Job(channel, guild, after))

    def _is_filling(self, generation: int) -> bool:
        """Whether a gap is still the present one, and there is time to fill it."""
        return generation == self._generation and not self._stopping.is_set()

    def _job(self, state: _State, job: Job) -> None:
        complete = state.reader.read(job)
        try:
            if state.generation == self._generation:
                if complete:
                    self._store.gaps.done(self._account, self._shard, [job.channel])
                self._release([job.channel])
        except ShoalError as error:
            log.warning("lane not let go; its hold ends by itself", channel=job.channel, error=error)
        with self._lock:
            state.running -= 1
        self._finish(state)

    # -- the end ---------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called now and then: close a gap whose guilds do not come.

        Raises:
            StoreUnavailable.
        """
        state = self._state
        if state is not None:
            self._finish(state)

    def _finish(self, state: _State) -> None:
        with self._lock:
            late = time.monotonic() - state.begun > GUILDS_S
            if state is not self._state or state.running or (state.waiting and not late):
                return
            if self._stopping.is_set():
                return
            self._state = None
        try:
            self._store.gaps.close(self._account, self._shard)
        except StoreUnavailable as error:
            log.warning("gap not closed; it ends by itself", account=self._account, error=error)
        filled = state.reader.filled
        filled.took_s = time.monotonic() - state.begun
        log.info("back-fill done", account=self._account, shard=self._shard, fetched=filled.fetched,
                 turns=filled.turns, history=filled.history, cut=filled.cut, channels=filled.channels,
                 asked=len(state.asked), unreadable=len(filled.unreadable),
                 seconds=round(filled.took_s, 2))  # fmt: skip
        if filled.fetched or filled.unreadable:
            self._on_filled(filled)

    def stop(self) -> None:
        """End at once; what is left is remembered for the next gateway."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _newer(newest: object, after: str) -> bool:
    return str(newest).isdigit() and int(str(newest)) > int(after)


def _guild_ids(ready: msgspec.Raw) -> list[str]:
    try:
        guilds = msgspec.json.decode(ready, type=_Ready).guilds
    except msgspec.DecodeError:
        return []
    return [str(guild["id"]) for guild in guilds if isinstance(guild, Mapping) and "id" in guild]
