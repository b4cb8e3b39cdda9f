"""Looks for sessions that stand still (``spec/inbound.md`` 5.5).

Every process says in its heartbeat which sessions it works on and how long each has been quiet.
Any worker may look: one does, about every 30 seconds, whoever comes first. What was said of a
session is remembered in Redis, so warnings come further and further apart (the age doubles)
whoever looks next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shoal.base.clock import Clock, SystemClock
from shoal.base.logging import get_logger
from shoal.state.processes import Process
from shoal.state.queues import lane_class
from shoal.state.store import Store
from tasks.keeper import InHand
from workers.sessions.stuck import Beat, Finding, Limits, judge, line

__all__ = ["GRACE_MS", "SESSIONS", "StuckWatch", "in_hand_info"]

PERIOD_MS = 30_000
GRACE_MS = 10_000
"""How long the holder has to end a turn itself, once it was told."""
SESSIONS = "sessions"

log = get_logger(__name__)


class _Known(msgspec.Struct, frozen=True):
    """What is remembered of a lane: its head, since when nobody said anything of it, when to warn again."""

    head: str
    since_ms: int
    next_ms: int = 0


_known = msgspec.json.Decoder(_Known)


def in_hand_info(held: Iterable[InHand], now: float) -> list[list[object]]:
    """The sessions in hand for a process's heartbeat: lane, step, ms held, ms without progress."""
    return [
        [each.lane, each.step[:80], int((now - each.since) * 1000), int(each.quiet_s * 1000)]
        for each in held
        if lane_class(each.lane) == "session"
    ]


class StuckWatch:
    """The watch of one process."""

    def __init__(self, store: Store, limits: Limits, clock: Clock | None = None) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock or SystemClock()
        self._period_ms = max(1_000, min(PERIOD_MS, limits.warn_ms // 4))
        self._due = 0.0

    def look_if_due(self) -> None:
        """Look, if it is time and no other process has just done it. Cheap to call often."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + self._period_ms / 1000
        # a little less than the period: clocks of processes drift
        first = self._store.redis.set(
            self._store.keys.stuck_look(), b"1", nx=True, px=int(self._period_ms * 0.9)
        )
        if first:
            self.look()

    def look(self) -> list[tuple[str, Finding]]:
        """Look at every session that is worked on; (lane, finding) of those something was found of."""
        now = self._store.now_ms()
        beats = _beats(self._store.processes.living(), now)
        memory = self._memory()
        kept: dict[str, _Known] = {}
        found: list[tuple[str, Finding]] = []
        for lane, head, depth in self._store.lanes.taken("session"):
            known = memory.get(lane)
            if known is None or known.head != head:
                known = _Known(head, now)
            beat = beats.get(lane)
            finding = judge(beat, now - known.since_ms, depth - 1, self._limits)
            if finding is None:
                if beat is None:
                    kept[lane] = _Known(head, known.since_ms)
                continue
            found.append((lane, finding))
            kept[lane] = self._told(lane, finding, known, beat, depth - 1)
            self._recover(lane, head, finding)
        self._remember(memory, kept)
        return found

    def _told(self, lane: str, finding: Finding, known: _Known, beat: Beat | None, waiting: int) -> _Known:
        """Say it, unless it was said not long ago."""
        if finding.age_ms < known.next_ms and finding.recovery == "none":
            return known
        session = self._store.sessions.get(lane.removeprefix("session:"))
        session_id = session.get("session_id", b"").decode()
        text = line(finding, lane, session_id=session_id, waiting=waiting, step=beat.step if beat else "")
        if finding.urgent:
            log.warning(text)
        else:
            log.debug(text)
        return _Known(known.head, known.since_ms, 2 * finding.age_ms)

    def _recover(self, lane: str, head: str, finding: Finding) -> None:
        if finding.recovery == "abort":
            self._store.lanes.abort(lane, head, grace_ms=GRACE_MS)
        elif finding.recovery == "release":
            self._store.lanes.abort(lane, head, grace_ms=0, ends=False)

    def _memory(self) -> dict[str, _Known]:
        raw: Mapping[bytes, bytes] = self._store.redis.hgetall(self._store.keys.stuck())
        found = {}
        for lane, value in raw.items():
            try:
                found[lane.decode()] = _known.decode(value)
            except msgspec.DecodeError:
                found[lane.decode()] = _Known("", 0)  # another release's: forgotten below
        return found

    def _remember(self, before: Mapping[str, _Known], kept: Mapping[str, _Known]) -> None:
        key = self._store.keys.stuck()
        gone = [lane for lane in before if lane not in kept]
        if not gone and not kept:
            return
        pipeline = self._store.redis.pipeline(transaction=False)
        if gone:
            pipeline.hdel(key, *gone)
        for lane, known in kept.items():
            pipeline.hset(key, lane, msgspec.json.encode(known))
        pipeline.execute()


def _beats(processes: Iterable[Process], now_ms: int) -> dict[str, Beat]:
    """Lane → what its holder says; of two that claim it (one has lost it) the one that took it last."""
    found: dict[str, Beat] = {}
    for process in processes:
        old = max(0, now_ms - process.at_ms)
        for entry in process.info.get(SESSIONS, ()):
            lane, step, held_ms, quiet_ms = entry
            beat = Beat(str(step), int(held_ms) + old, int(quiet_ms) + old)
            known = found.get(lane)
            if known is None or beat.held_ms < known.held_ms:
                found[lane] = beat
    return found
