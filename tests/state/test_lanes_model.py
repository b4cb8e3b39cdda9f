"""All verbs of the lanes in random order, on a real server, against a small model."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shoal.base.errors import StaleGrant, StateConflict
from shoal.state.effects import Push, Receipt
from shoal.state.records import Failed, Failure, Grant, Record, Refused
from shoal.state.store import Store
from tests.state.model import Lane
from tests.state.support import hinted, put_hints

pytestmark = pytest.mark.waits

LANES = ["session:a", "session:b", "delivery:c"]
IDS = [f"m:{number}" for number in range(8)]
KEYS = ["k:1", "k:2"]
LONG = 3_600_000
lanes = st.sampled_from(LANES)
picks = st.integers(0, 9)
holding = precondition(lambda machine: bool(machine.grants))
ids = st.sampled_from(IDS)


class Machine(RuleBasedStateMachine):
    """Tokens are held in ``grants``; stale ones are kept and tried again and again."""

    store: ClassVar[Store]

    @initialize()
    def begin(self) -> None:
        self.store.redis.flushall()
        put_hints(self.store)
        self.model = {name: Lane() for name in LANES}
        self.grants: dict[str, Grant] = {}
        self.stale: list[Grant] = []
        self.woken: set[str] = set()
        self.dead: set[tuple[str, str]] = set()
        self.receipts: set[str] = set()
        self.tokens = self.run = 0
        self.begun: dict[str, int] = {}
        self.fleet_begins()
        for lane in LANES[:2]:
            for identity in IDS[:2]:
                self.push(lane, identity, False, False)
            self.acquire(lane, False)

    def record(self, identity: str) -> Record:
        return Record(identity, "turn", identity.encode(), born=1, mode="steer", scope="s")

    def held(self, pick: int) -> str:
        """One of the lanes somebody holds."""
        names = sorted(self.grants)
        return names[pick % len(names)]

    def release(self, lane: str) -> None:
        self.model[lane].token = None
        self.stale.append(self.grants.pop(lane))

    # -- pushing ---------------------------------------------------------------------------------

    @rule(lane=lanes, identity=ids, front=st.booleans(), delayed=st.booleans())
    def push_any(self, lane: str, identity: str, front: bool, delayed: bool) -> None:
        self.push(lane, identity, front, delayed)

    def push(self, lane: str, identity: str, front: bool, delayed: bool) -> None:
        expected = self.model[lane].push(identity, front, delayed)
        delay = LONG if delayed else 0
        pushed = self.store.lanes.push(lane, self.record(identity), front=front, delay_ms=delay)
        assert pushed.new == expected
        assert pushed.depth == len(self.model[lane].records)

    @rule(lane=lanes)
    def hold(self, lane: str) -> None:
        self.store.lanes.hold(lane, deadline_ms=LONG)
        self.model[lane].held = True

    @rule(lane=lanes)
    def unhold(self, lane: str) -> None:
        self.store.lanes.unhold(lane)
        self.model[lane].held = False

    # -- grants ----------------------------------------------------------------------------------

    @rule(lane=lanes, quarantine=st.booleans())
    def acquire_any(self, lane: str, quarantine: bool) -> None:
        self.acquire(lane, quarantine)

    def acquire(self, lane: str, quarantine: bool) -> None:
        self.tokens += 1
        answer = self.store.lanes.acquire(
            lane, f"t{self.tokens}", ttl_ms=600_000, quarantine=quarantine, by=f"host:run{self.run}"
        )
        self.begun[f"t{self.tokens}"] = self.run
        expected = self.model[lane].refusal(quarantine)
        if expected is not None:
            assert answer == Refused(expected)
            return
        assert isinstance(answer, Grant)
        self.check_grant(lane, answer)
        self.grants[lane] = answer
        self.model[lane].token = answer.token

    def check_grant(self, lane: str, grant: Grant) -> None:
        model = self.model[lane]
        head = model.head
        assert grant.head.identity == model.records[0]
        assert grant.head.body == model.records[0].encode()
        assert grant.journal == head.journal
        assert [record.identity for record in grant.absorbed] == head.absorbed
        died = len(head.suspects) + head.excused
        assert (grant.step, grant.tries, grant.suspects) == (head.step, head.tries, died)

    @precondition(lambda machine: any(model.state() == "ready" for model in machine.model.values()))
    @rule(pick=picks)
    def acquire_a_ready_one(self, pick: int) -> None:
        ready = [name for name, model in self.model.items() if model.state() == "ready"]
        lane = ready[pick % len(ready)]
        self.acquire(lane, self.model[lane].head.quarantine)

    @holding
    @rule(pick=picks)
    def acquire_again(self, pick: int) -> None:
        lane = self.held(pick)
        answer = self.store.lanes.acquire(lane, self.grants[lane].token)
        assert isinstance(answer, Grant)
        self.check_grant(lane, answer)

    @holding
    @rule(pick=picks, other=lanes, identity=ids, data=st.binary(max_size=5))
    def checkpoint(self, pick: int, other: str, identity: str, data: bytes) -> None:
        lane = self.held(pick)
        head = self.model[lane].head
        effects = [Push(other, self.record(identity)), Receipt(identity, 0, b"x")]
        for _ in range(2):
            self.store.lanes.checkpoint(self.grants[lane], head.step + 1, effects, journal=data)
        head.step += 1
        head.journal.append((head.step, data))
        self.model[other].push(identity, False, False)
        self.receipts.add(identity)

    @holding
    @rule(pick=picks)
    def absorb(self, pick: int) -> None:
        lane = self.held(pick)
        model = self.model[lane]
        free = [name for name in model.records[1:] if name not in model.delayed | set(model.head.absorbed)]
        found = [record.identity for record in self.store.lanes.behind(self.grants[lane])]
        assert found == free
        if found:
            self.store.lanes.absorb(self.grants[lane], found[:1])
            model.head.absorbed.append(found[0])

    @holding
    @rule(pick=picks, other=lanes, identity=ids, more=st.booleans(), delayed=st.booleans())
    def commit(self, pick: int, other: str, identity: str, more: bool, delayed: bool) -> None:
        lane = self.held(pick)
        grant, model = self.grants[lane], self.model[lane]
        effect = Push(other, self.record(identity), delay_ms=LONG if delayed else 0)
        answers = [self.store.lanes.commit(grant, [effect], take_next=more) for _ in range(2)]
        self.model[other].push(identity, False, delayed)
        absorbed, alone = model.head.absorbed, model.head.quarantine
        model.pop()
        for name in absorbed:
            model.drop(name)
        if more and not alone and model.takeable():
            assert isinstance(answers[0], Grant)
            assert isinstance(answers[1], Grant)
            self.check_grant(lane, answers[1])
            self.grants[lane] = answers[1]
            assert answers[0].head == answers[1].head
        else:
            assert answers == [None, None]
            self.release(lane)

    @holding
    @rule(pick=picks, keys=st.sets(st.sampled_from(KEYS)), on_push=st.booleans())
    def park(self, pick: int, keys: set[str], on_push: bool) -> None:
        lane = self.held(pick)
        for _ in range(2):
            self.store.lanes.park(
                self.grants[lane], delay_ms=LONG, wake_on=sorted(keys), wake_on_push=on_push
            )
        if not keys & self.woken:
            self.model[lane].head.parked = frozenset(keys)
            self.model[lane].head.wake_on_push = on_push
        self.release(lane)

    @rule(key=st.sampled_from(KEYS))
    def wake(self, key: str) -> None:
        self.store.lanes.wake(key)
        self.woken.add(key)
        for model in self.model.values():
            if model.head.parked is not None and key in model.head.parked:
                model.head.parked = None

    @rule()
    def forget_wakes(self) -> None:
        for key in self.woken:
            self.store.redis.delete(f"shoal:1:woken:{key}")
        self.woken.clear()

    @holding
    @rule(pick=picks, other=lanes)
    def move(self, pick: int, other: str) -> None:
        lane = self.held(pick)
        grant, model = self.grants[lane], self.model[lane]
        if other == lane or model.head.step or model.head.absorbed:
            with pytest.raises(StateConflict):
                self.store.lanes.move(grant, other)
            return
        for _ in range(2):
            self.store.lanes.move(grant, other)
        identity = model.pop()
        self.model[other].push(identity, False, False, keep=True)
        self.release(lane)

    @holding
    @rule(pick=picks, later=st.booleans())
    def yield_(self, pick: int, later: bool) -> None:
        lane = self.held(pick)
        for _ in range(2):
            self.store.lanes.yield_(self.grants[lane], delay_ms=LONG if later else 0)
        self.model[lane].head.waits = later
        self.release(lane)

    @holding
    @rule(pick=picks, failure=st.sampled_from(Failure), now=st.booleans())
    def fail(self, pick: int, failure: Failure, now: bool) -> None:
        lane = self.held(pick)
        grant = self.grants[lane]
        delay = 0 if now else LONG
        answers = {
            self.store.lanes.fail(grant, failure, code="c", reason="r", delay_ms=delay) for _ in range(2)
        }
        expected = self.expect_failure(lane, failure)
        assert answers == {expected}
        if expected is not Failed.DEAD:
            self.model[lane].head.waits = not now
        self.release(lane)

    def expect_failure(self, lane: str, failure: Failure | None) -> Failed:
        """``None``: the holder died."""
        model = self.model[lane]
        head = model.head
        if failure is Failure.INFRASTRUCTURE:
            head.infra += 1
            return Failed.RETRIED
        if failure is Failure.HANDLED:
            head.tries += 1
            if head.tries < 3:
                return Failed.RETRIED
        else:
            token = str(model.token)
            if self.begun[token] != self.run and head.excused < 4:
                head.excused += 1
                return Failed.RETRIED
            head.suspects.append(token)
            head.quarantine = head.quarantine or len(head.suspects) >= 2
            if len(head.suspects) < 4:
                return Failed.RETRIED
        self.dead.add((lane, model.records[0]))
        model.pop()
        return Failed.DEAD

    # -- time and death --------------------------------------------------------------------------

    @holding
    @rule(pick=picks)
    def holder_dies(self, pick: int) -> None:
        """The lease ends (by our hand) and a sweep finds it."""
        lane = self.held(pick)
        cls = lane.partition(":")[0]
        self.store.redis.hset(self.store.keys.lane(lane), "until", 1)
        self.store.redis.zadd(self.store.keys.due(cls), {lane: 1})
        assert self.store.lanes.sweep(cls).expired == 1
        self.expect_failure(lane, None)
        self.release(lane)

    @rule()
    def fleet_begins(self) -> None:
        """Who has a grant of an earlier run went down with it."""
        self.run += 1
        self.store.processes.begin("host", f"run{self.run}")

    @rule(pick=picks)
    def somebody_lives(self, pick: int) -> None:
        """One who lost a lease, or still has it, says so; a second time changes nothing."""
        known = [*self.stale[-9:], *(self.grants[name] for name in sorted(self.grants))]
        grant = known[-1 - pick % len(known)]
        model = self.model[grant.lane]
        head, mine = model.head, model.token == grant.token
        same = model.records[:1] == [grant.head.identity]
        expected = same and head.excused < 4 and (mine or grant.token in head.suspects)
        assert [self.store.lanes.alive(grant) for _ in range(2)] == [expected, False]
        if not expected:
            return
        head.excused += 1
        if mine:
            self.release(grant.lane)
            return
        head.suspects.remove(grant.token)
        if model.token is None and len(head.suspects) < 2:
            head.quarantine = False

    @rule(lane=lanes)
    def time_passes(self, lane: str) -> None:
        """Every wait of a lane is over (by our hand) and a sweep finds it."""
        model, key = self.model[lane], self.store.keys.lane(lane)
        if model.token or model.state() == "missing":
            return
        for name in ("nb", "park", "hold"):
            if self.store.redis.hexists(key, name):
                self.store.redis.hset(key, name, 1)
        frames = self.store.keys.lane_records(lane)
        for identity in model.delayed & set(model.records):
            self.store.redis.hset(frames, identity, self.record(identity).frame())
        model.delayed.clear()
        model.held = model.head.waits = False
        model.head.parked = None
        cls = lane.partition(":")[0]
        self.store.redis.zadd(self.store.keys.due(cls), {lane: 1})
        self.store.lanes.sweep(cls)

    @rule()
    def dead_come_back(self) -> None:
        for dead in self.store.lanes.dead_list():
            assert self.store.lanes.dead_retry(dead.id)
            self.model[dead.lane].push(dead.record.identity, False, False, keep=True)
        self.dead.clear()

    @rule()
    def memory_fades(self) -> None:
        """Quarter of an hour later the lanes have forgotten what left them."""
        for key in self.store.redis.keys("shoal:1:done:*"):
            self.store.redis.delete(key)
        for model in self.model.values():
            model.gone.clear()

    @rule()
    def stale_holders_try(self) -> None:
        for grant in self.stale[-5:]:
            before = [self.store.lanes.depth(name) for name in LANES]
            with pytest.raises((StaleGrant, StateConflict)):
                self.store.lanes.checkpoint(grant, grant.step + 1, [Push("session:a", self.record("m:0"))])
            assert self.store.lanes.renew({grant.lane: grant.token}) == {grant.lane}
            assert [self.store.lanes.depth(name) for name in LANES] == before

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        found = {info.lane: info for info in self.store.lanes.overview()}
        for lane, model in self.model.items():
            order = self.store.redis.lrange(self.store.keys.lane_order(lane), 0, -1)
            assert [name.decode() for name in order] == model.records
            stored = self.store.redis.hkeys(self.store.keys.lane_records(lane))
            assert sorted(name.decode() for name in stored) == sorted(model.records)
            state = model.state()
            if state == "missing":
                assert lane not in found
                assert not self.store.redis.exists(self.store.keys.lane(lane), self.store.keys.journal(lane))
            else:
                assert found[lane].state == state, (lane, found[lane])

    @invariant()
    def every_ready_lane_was_hinted_or_will_be_looked_at(self) -> None:
        for cls in ("session", "delivery"):
            routes = {cls: False, f"{cls}.chores": True}
            for route, alone in routes.items():
                ready = {name.decode() for name in self.store.redis.zrange(f"shoal:1:ready:{route}", 0, -1)}
                expected = {
                    lane
                    for lane, model in self.model.items()
                    if lane.startswith(cls) and model.state() == "ready" and model.head.quarantine == alone
                }
                assert ready == expected
            hinted(self.store, cls)

    @invariant()
    def the_dead_are_listed(self) -> None:
        assert {(dead.lane, dead.record.identity) for dead in self.store.lanes.dead_list()} == self.dead
        assert all(self.store.receipts.receipt(identity) for identity in self.receipts)


def test_lanes_agree_with_the_model(store: Store) -> None:
    Machine.store = store
    quick: Any = settings(
        max_examples=120,
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=quick)
