"""Looking at lanes and at the dead: for ``shoal lanes``, ``shoal dead``, status and metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shoal.base.errors import StateConflict
from shoal.base.ids import check_name
from shoal.state.queues import CLASSES, check_lane
from shoal.state.records import DeadRecord, LaneInfo, Record, parse_frame

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["LaneViews"]

LONGEST_LEASE_MS = 10_000
"""A lane that is taken is due when its lease ends."""

FALL_MS = 60_000
"""By more than this the clock must be behind what was seen, to have fallen back (rule R35)."""

_STATE = ("tok", "until", "hold", "park", "nb", "rt", "tries", "sus", "q")


class LaneViews:
    """The reading half of :class:`shoal.state.lanes.Lanes`, and what people do with dead records."""

    _store: Store

    def overview(self, limit: int = 200, cls: str | None = None) -> list[LaneInfo]:
        """Up to ``limit`` lanes of each class (or of one), those due first. A view, not a snapshot."""
        found: list[LaneInfo] = []
        now = self._store.now_ms()
        for name in [cls] if cls else list(CLASSES):
            due = self._store.redis.zrange(self._store.keys.due(name), 0, limit - 1)
            found += self._infos([lane.decode() for lane in due], now)
        return found

    def _infos(self, lanes: list[str], now: int) -> list[LaneInfo]:
        keys = self._store.keys
        pipeline = self._store.redis.pipeline(transaction=False)
        for lane in lanes:
            pipeline.hmget(keys.lane(lane), *_STATE)
            pipeline.llen(keys.lane_order(lane))
            pipeline.lindex(keys.lane_order(lane), 0)
        rows = pipeline.execute()
        heads = self._store.redis.pipeline(transaction=False)
        for index in range(len(lanes)):
            heads.hget(keys.lane_records(lane), rows[3 * index + 2] or b"")
        frames = heads.execute()
        found = []
        for index, lane in enumerate(lanes):
            values, depth, head = rows[3 * index : 3 * index + 3]
            state = dict(zip(_STATE, values, strict=True))
            found.append(_info(lane, state, depth, head, frames[index], now))
        return found

    def find(self, lane: str, identity: str) -> Record | None:
        """A record that is in the lane, or None. A view: it may leave at any moment."""
        key = self._store.keys.lane_records(check_lane(lane))
        frame: bytes | None = self._store.redis.hget(key, check_name(identity, "identity"))
        return None if frame is None else parse_frame(identity.encode(), frame)

    def lanes_of(self, identities: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
        """Identity → the lane of these classes that holds it; one look at each lane, so for people only."""
        keys, found = self._store.keys, dict[str, str]()
        names = [check_name(identity, "identity") for identity in identities]
        lanes = (
            [lane.decode() for cls in classes for lane in self._store.redis.zrange(keys.due(cls), 0, -1)]
            if names
            else []
        )
        for start in range(0, len(lanes), 100):
            part = lanes[start : start + 100]
            pipeline = self._store.redis.pipeline(transaction=False)
            for lane in part:
                for name in names:
                    pipeline.hexists(keys.lane_records(lane), name)
            pairs = [(lane, name) for lane in part for name in names]
            there = zip(pairs, pipeline.execute(), strict=True)
            found |= {name: lane for (lane, name), holds in there if holds}
        return found

    def oldest(self, lane: str) -> Record | None:
        """The head of a lane, or None if it is empty. A view: it may leave at any moment."""
        name: bytes | None = self._store.redis.lindex(self._store.keys.lane_order(check_lane(lane)), 0)
        return None if name is None else self.find(lane, name.decode())

    def busy(self, lanes: Sequence[str]) -> list[str]:
        """Those of some lanes that hold records."""
        pipeline = self._store.redis.pipeline(transaction=False)
        for lane in lanes:
            pipeline.llen(self._store.keys.lane_order(lane))
        depths = pipeline.execute() if lanes else []
        return [lane for lane, depth in zip(lanes, depths, strict=True) if depth]

    def heads(self, cls: str) -> list[tuple[str, Record]]:
        """(lane, head) of every lane of a class that holds records. A view, not a snapshot."""
        lanes = [name.decode() for name in self._store.redis.zrange(self._store.keys.due(cls), 0, -1)]
        found = []
        for start in range(0, len(lanes), 500):
            part = lanes[start : start + 500]
            pipeline = self._store.redis.pipeline(transaction=False)
            for lane in part:
                pipeline.lindex(self._store.keys.lane_order(lane), 0)
            names: list[bytes | None] = pipeline.execute()
            frames = self._store.redis.pipeline(transaction=False)
            for lane, name in zip(part, names, strict=True):
                frames.hget(self._store.keys.lane_records(lane), name or b"")
            for lane, name, frame in zip(part, names, frames.execute(), strict=True):
                if name is not None and frame is not None:
                    found.append((lane, parse_frame(name, frame)))
        return found

    def taken(self, cls: str) -> list[tuple[str, str, int]]:
        """(lane, identity of the head, records) of every lane of a class that somebody holds."""
        soon = self._store.now_ms() + LONGEST_LEASE_MS
        lanes = [
            name.decode() for name in self._store.redis.zrangebyscore(self._store.keys.due(cls), 0, soon)
        ]
        pipeline = self._store.redis.pipeline(transaction=False)
        for lane in lanes:
            pipeline.hexists(self._store.keys.lane(lane), "tok")
            pipeline.lindex(self._store.keys.lane_order(lane), 0)
            pipeline.llen(self._store.keys.lane_order(lane))
        rows = pipeline.execute() if lanes else []
        found = []
        for index, lane in enumerate(lanes):
            held, head, depth = rows[3 * index : 3 * index + 3]
            if held and head is not None:
                found.append((lane, head.decode(), int(depth)))
        return found

    def waiting(self, lane: str, limit: int = 1_100) -> list[Record]:
        """Records behind the head of a lane, oldest first. A view: any of them may be taken at any moment."""
        key = check_lane(lane)
        names = self._store.redis.lrange(self._store.keys.lane_order(key), 1, limit)
        frames = self._store.redis.hmget(self._store.keys.lane_records(key), names) if names else []
        pairs = zip(names, frames, strict=True)
        return [parse_frame(name, frame) for name, frame in pairs if frame is not None]

    def any(self, cls: str) -> bool:
        """Whether any lane of a class is there (has a record, or is held)."""
        return bool(self._store.redis.exists(self._store.keys.due(cls)))

    def counts(self) -> dict[str, tuple[int, int]]:
        """Class → (lanes that are not empty, lanes whose time has come), for metrics."""
        now = self._store.now_ms()
        pipeline = self._store.redis.pipeline(transaction=False)
        for name in CLASSES:
            pipeline.zcard(self._store.keys.due(name))
            pipeline.zcount(self._store.keys.due(name), "-inf", now)
        rows = pipeline.execute()
        return {name: (rows[2 * index], rows[2 * index + 1]) for index, name in enumerate(CLASSES)}

    def to_sweep(self) -> list[str]:
        """Classes in which something is due, or whose lanes have not been told that the clock fell back."""
        keys, now = self._store.keys, self._store.now_ms()
        pipeline = self._store.redis.pipeline(transaction=False)
        pipeline.hgetall(keys.clock())
        for name in CLASSES:
            pipeline.zcount(keys.due(name), "-inf", now)
        clock, *due = pipeline.execute()
        back = int(clock.get(b"back", 0))
        falls = int(clock.get(b"seen", 0)) - now > FALL_MS
        untold = {name for name in CLASSES if falls or int(clock.get(f"back.{name}".encode(), 0)) < back}
        return [name for name, number in zip(CLASSES, due, strict=True) if number or name in untold]

    def next_due_in(self, most_ms: int = 500) -> int:
        """Milliseconds until some lane wants to be looked at, 0 to ``most_ms``: how long a sweeper may sleep.

        A delay shorter than the sweep's period (a rate wait of 100 ms) is met only by a sweeper that asks.
        """
        now = self._store.now_ms()
        pipeline = self._store.redis.pipeline(transaction=False)
        for name in CLASSES:
            pipeline.zrange(self._store.keys.due(name), 0, 0, withscores=True)
        scores = [int(row[0][1]) for row in pipeline.execute() if row]
        return max(0, min([most_ms, *(score - now for score in scores)]))

    # -- the dead --------------------------------------------------------------------------------

    def dead_list(self, limit: int = 100) -> list[DeadRecord]:
        """Dead records, newest first."""
        ids = self._store.redis.zrevrange(self._store.keys.dead(), 0, limit - 1)
        return self._dead(ids)

    def dead_count(self) -> int:
        """How many records are dead."""
        return int(self._store.redis.zcard(self._store.keys.dead()))

    def dead_unnoticed(self, limit: int = 20) -> list[DeadRecord]:
        """Dead records nobody has been told of, oldest first; see :meth:`dead_noticed`."""
        return self._dead(self._store.redis.zrange(self._store.keys.dead_new(), 0, limit - 1))

    def dead_noticed(self, dead_id: str) -> None:
        """Somebody has been told."""
        self._store.redis.zrem(self._store.keys.dead_new(), check_name(dead_id, "dead id"))

    def dead_show(self, dead_id: str) -> DeadRecord | None:
        """One dead record."""
        return next(iter(self._dead([check_name(dead_id, "dead id").encode()])), None)

    def dead_of(self, lane: str, identity: str) -> DeadRecord | None:
        """How a record of a lane died; none if it did not."""
        name = f"{check_lane(lane)}|{check_name(identity, 'identity')}"
        return self.dead_show(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:20])

    def dead_retry(self, dead_id: str) -> bool:
        """Put it back at the end of its lane, as new; False if there is no such record.

        Raises:
            StateConflict: it never had a lane (skipped at intake without a record).
        """
        return self._dead_verb("retry", dead_id)

    def dead_drop(self, dead_id: str) -> bool:
        """Forget it; False if there is no such record."""
        return self._dead_verb("drop", dead_id)

    def _dead_verb(self, verb: str, dead_id: str) -> bool:
        reply = self._store.script("lane_dead")(verb, check_name(dead_id, "dead id"))
        if reply[0] == b"conflict":
            raise StateConflict(reply[1].decode(), f"dead {dead_id}")
        return bool(reply[0] == b"ok")

    def _dead(self, ids: list[bytes]) -> list[DeadRecord]:
        pipeline = self._store.redis.pipeline(transaction=False)
        for dead_id in ids:
            pipeline.hgetall(self._store.keys.dead_record(dead_id.decode()))
        found = zip(ids, pipeline.execute(), strict=True)
        return [_dead_record(dead_id.decode(), raw) for dead_id, raw in found if raw]


def _dead_record(dead_id: str, raw: dict[bytes, bytes]) -> DeadRecord:
    return DeadRecord(
        id=dead_id,
        lane=raw[b"lane"].decode(),
        record=parse_frame(raw[b"identity"], raw[b"frame"]),
        code=raw[b"code"].decode(),
        reason=raw[b"reason"].decode("utf-8", "replace"),
        at_ms=int(raw[b"at"]),
        tries=int(raw[b"tries"]),
        suspects=int(raw[b"suspects"]),
        source=raw[b"source"].decode(),
    )


def _info(
    lane: str, state: dict[str, Any], depth: int, head: bytes | None, frame: bytes | None, now: int
) -> LaneInfo:
    def later(name: str) -> bool:
        return state[name] is not None and int(float(state[name])) > now

    if state["tok"] is not None:
        word = "taken"
    elif later("hold"):
        word = "held"
    elif depth == 0:
        word = "idle"
    elif later("park"):
        word = "parked"
    else:
        word = "ready" if state["rt"] is not None else "waiting"
    born = parse_frame(head or b"", frame).born if frame else now
    return LaneInfo(
        lane=lane,
        state=word,
        depth=depth,
        head=(head or b"").decode(),
        age_ms=max(0, now - born),
        tries=int(state["tries"] or 0),
        suspects=int(state["sus"] or 0),
        quarantine=state["q"] is not None,
    )
