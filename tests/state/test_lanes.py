"""The verbs of the lanes, seen from outside."""

from __future__ import annotations

import time

import pytest

from shoal.base.errors import InvalidName, StaleGrant, StateConflict
from shoal.base.ids import new_token
from shoal.state.effects import Push, Receipt, SessionPut, Slot, Transcript, Wake
from shoal.state.records import Failed, Failure, Grant, Limit, Record, Refused
from shoal.state.store import Store
from tests.state.support import DELIVERY, SESSION, hinted, put_hints, record


def take(store: Store, lane: str = SESSION, **options: object) -> Grant:
    grant = store.lanes.acquire(lane, new_token(), **options)  # type: ignore[arg-type]
    assert isinstance(grant, Grant), grant
    return grant


def refused(store: Store, lane: str = SESSION, **options: object) -> str:
    answer = store.lanes.acquire(lane, new_token(), **options)  # type: ignore[arg-type]
    assert isinstance(answer, Refused), answer
    return answer.reason


def lane_keys(store: Store, lane: str) -> list[bytes]:
    return [key for key in store.redis.keys("*") if key.endswith(lane.encode())]


def end_lease(store: Store, lane: str = SESSION) -> None:
    """Let a lease end without waiting for it."""
    store.redis.hset(store.keys.lane(lane), "until", 1)
    store.redis.zadd(store.keys.due(lane.partition(":")[0]), {lane: 1})


def come_due(store: Store, lane: str = SESSION) -> None:
    """Let every wait of a lane be over without waiting for it."""
    key = store.keys.lane(lane)
    for field in ("nb", "park", "hold"):
        if store.redis.hexists(key, field):
            store.redis.hset(key, field, 1)
    store.redis.zadd(store.keys.due(lane.partition(":")[0]), {lane: 1})


def test_records_come_back_as_they_went_in_and_in_order(store: Store) -> None:
    body = bytes(range(256)) + b"\n%1 %% [] 1234567890123456789"
    first = Record("m:1", "MESSAGE_CREATE", body, v=1, born=1_700_000_000_000, mode="steer",
                   scope="default|1|2|owner", account="default", message_id="99")  # fmt: skip
    assert store.lanes.push(SESSION, first).new
    assert store.lanes.push(SESSION, record("m:2")).depth == 2
    grant = take(store)
    assert grant.head == first
    following = store.lanes.commit(grant)
    assert following is not None
    assert following.token == grant.token
    assert following.head.identity == "m:2"
    assert following.head.born > 1_700_000_000_000, "Redis' clock gives a birth to what has none"
    assert store.lanes.commit(following) is None


def test_an_empty_lane_leaves_nothing_but_the_memory_of_its_identities(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.checkpoint(grant, 1, journal=b"x")
    assert store.lanes.commit(grant) is None
    assert lane_keys(store, SESSION) == []
    assert store.redis.zcard(store.keys.due("session")) == 0
    assert not store.lanes.push(SESSION, record("m:1")).new, "a push sent again after the commit is a no-op"
    assert refused(store) == "empty"


def test_one_holder_at_a_time_and_stale_tokens_are_refused_everywhere(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2", mode="steer"))
    old = take(store)
    assert refused(store) == "taken"
    end_lease(store)
    new = take(store)
    assert new.suspects == 1
    lanes = store.lanes
    calls = [
        lambda: lanes.checkpoint(old, 1, [Push(DELIVERY, record("x"))]),
        lambda: lanes.behind(old),
        lambda: lanes.absorb(old, ["m:2"]),
        lambda: lanes.commit(old, [Push(DELIVERY, record("x"))]),
        lambda: lanes.park(old, delay_ms=1000),
        lambda: lanes.move(old, "session:other"),
        lambda: lanes.yield_(old),
        lambda: lanes.fail(old, Failure.HANDLED, code="x", reason="y"),
    ]
    before = store.redis.dbsize()
    for call in calls:
        with pytest.raises(StaleGrant):
            call()
    assert store.redis.dbsize() == before
    assert lanes.renew({SESSION: old.token}) == {SESSION}
    assert lanes.renew({SESSION: new.token}) == set()
    assert lanes.depth(DELIVERY) == 0


def test_a_token_that_ended_a_grant_is_never_granted_again(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.yield_(grant)
    assert store.lanes.acquire(SESSION, grant.token) == Refused("used")


def test_a_commit_names_the_head_it_answers(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2"))
    first = take(store)
    store.lanes.commit(first)
    with pytest.raises(StateConflict):
        store.lanes.checkpoint(first, 1)
    assert store.lanes.depth(SESSION) == 1


def test_hints_come_when_a_lane_becomes_due_and_only_then(store: Store) -> None:
    put_hints(store)
    for number in range(3):
        store.lanes.push(SESSION, record(f"m:{number}"))
    assert hinted(store, "session") == [SESSION]
    grant = take(store)
    store.lanes.push(SESSION, record("m:9"))
    assert hinted(store, "session") == [SESSION]
    store.lanes.commit(grant, take_next=False)
    assert hinted(store, "session") == [SESSION, SESSION]
    store.lanes.yield_(take(store))
    assert len(hinted(store, "session")) == 3


def test_a_hint_goes_home(store: Store) -> None:
    store.hints.put("session", "q:any", b"@@ID@@ @@LANE@@ 100%1")
    store.hints.put("session@host-b", "q:b", b"@@ID@@ @@LANE@@")
    store.hints.set_home("main", "host-b")
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push("session:agent:other:discord:dm:2", record("m:1"))
    assert store.redis.llen("q:b") == 1
    (other,) = store.redis.lrange("q:any", 0, -1)
    assert other.endswith(b" session:agent:other:discord:dm:2 100%1")
    assert store.hints.homes() == {"main": "host-b"}


def test_checkpoints_follow_each_other_and_survive_the_holder(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.checkpoint(grant, 1, journal=b"one\x00\n")
    store.lanes.checkpoint(grant, 1, journal=b"one\x00\n")
    with pytest.raises(StateConflict):
        store.lanes.checkpoint(grant, 3)
    store.lanes.checkpoint(grant, 2, [Receipt("m:1", 0, b"777")], journal=b"two")
    end_lease(store)
    successor = take(store)
    assert successor.journal == [(1, b"one\x00\n"), (2, b"two")]
    assert successor.step == 2
    store.lanes.checkpoint(successor, 3)
    assert store.receipts.receipt("m:1") == {0: b"777"}


def test_effects_arrive_with_the_commit(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.commit(
        grant,
        [
            Push(DELIVERY, record("m:1.answer")),
            Push(SESSION, record("again"), front=True),
            Transcript("s1", [b"a", b"\xff\x00"]),
            SessionPut("agent:main", {"session_id": b"s1", "gone": None}),
        ],
    )
    assert store.lanes.depth(DELIVERY) == 1
    assert store.sessions.transcript("s1") == [b"a", b"\xff\x00"]
    assert store.sessions.hot_bytes("s1") == 3
    assert store.sessions.get("agent:main")["session_id"] == b"s1"
    assert take(store, DELIVERY).head.body == b"body of m:1.answer"


def test_a_refused_effect_refuses_the_whole_commit(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.redis.set(store.keys.transcript("s1"), "not a list")
    with pytest.raises(StateConflict):
        store.lanes.commit(grant, [Push(DELIVERY, record("x")), Transcript("s1", [b"a"])])
    with pytest.raises(StateConflict):
        store.lanes.commit(grant, [Wake("k")] * 65)
    with pytest.raises(StateConflict):
        store.lanes.commit(grant, [Transcript("s2", [b"a" * 100_000] * 3)])
    assert store.lanes.depth(DELIVERY) == 0
    assert store.lanes.depth(SESSION) == 1


@pytest.mark.parametrize("name", ["", "a b", "A", "x" * 201, "a\n", "a*", "é", "a|b", "{a}"])
def test_hostile_names_never_become_keys(store: Store, name: str) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    before = sorted(store.redis.keys("*"))
    with pytest.raises(InvalidName):
        store.lanes.push(f"session:{name}" if name else "session:", record("m:2"))
    with pytest.raises(InvalidName):
        store.lanes.push(SESSION, record(name))
    for effect in (
        Push(f"session:{name}" if name else "x", record("m")),
        Transcript(name, []),
        Receipt(name, 0, b""),
        SessionPut(name, {}),
        SessionPut("k", {name: b""}),
        Wake(name),
        Slot(DELIVERY, name, 1, b""),
    ):
        with pytest.raises(InvalidName):
            store.lanes.checkpoint(grant, 1, [effect])
    # and the scripts refuse them by themselves
    for script, args in (("lane_push", (name, "m:2", record("x").frame(), 0, 0)), ("lane_wake", (name,))):
        assert store.script(script)(*args)[0] == b"conflict"
    assert sorted(store.redis.keys("*")) == before


def test_unknown_classes_are_refused(store: Store) -> None:
    with pytest.raises(InvalidName):
        store.lanes.push("nonsense:1", record("m:1"))
    assert store.script("lane_push")("nonsense:1", "m:1", record("x").frame(), 0, 0)[0] == b"conflict"
    assert store.script("lane_push")("session:1", "m:1", b"no header", 0, 0)[0] == b"conflict"


def test_absorbed_records_go_with_the_head(store: Store) -> None:
    scope = "default|1|2|member"
    store.lanes.push(SESSION, record("m:1", scope=scope))
    store.lanes.push(SESSION, record("m:2", scope=scope, mode="steer"))
    store.lanes.push(SESSION, record("m:3", scope="other", mode="steer"))
    store.lanes.push(SESSION, record("m:4", scope=scope))
    grant = take(store)
    assert [found.identity for found in store.lanes.behind(grant)] == ["m:2", "m:3"]
    with pytest.raises(StateConflict):
        store.lanes.absorb(grant, ["m:2", "m:3"])
    with pytest.raises(StateConflict):
        store.lanes.absorb(grant, ["m:1"])
    store.lanes.absorb(grant, ["m:2"])
    store.lanes.absorb(grant, ["m:2"])
    assert [found.identity for found in store.lanes.behind(grant)] == ["m:3"]
    end_lease(store)
    successor = take(store)
    assert [found.identity for found in successor.absorbed] == ["m:2"]
    following = store.lanes.commit(successor)
    assert following is not None
    assert following.head.identity == "m:3"
    assert following.absorbed == []


def test_park_waits_for_its_key_its_time_or_a_push(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.park(take(store), delay_ms=60_000, wake_on=["child:1", "child:2"])
    assert refused(store) == "parked"
    assert store.lanes.wake("child:2") == 1
    assert len(hinted(store, "session")) == 2
    store.lanes.park(take(store), delay_ms=60_000, wake_on=["child:1"])
    store.lanes.push(SESSION, record("m:2"))
    store.lanes.park(take(store), delay_ms=60_000, wake_on=["child:1"], wake_on_push=False)
    store.lanes.push(SESSION, record("m:3"))
    assert refused(store) == "parked"
    come_due(store)
    store.redis.delete("shoal:1:q:test.session")  # workers have read the earlier hints
    assert store.lanes.sweep("session").hinted == 1
    assert take(store).head.identity == "m:1"


def test_a_wake_before_its_park_is_not_lost(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(DELIVERY, record("d:1"))
    parent = take(store)
    store.lanes.commit(take(store, DELIVERY), [Wake("receipts:m:1")])
    store.lanes.park(parent, delay_ms=60_000, wake_on=["receipts:m:1"])
    assert take(store).head.identity == "m:1"


def test_hold_stops_handing_out_but_never_pushes(store: Store) -> None:
    put_hints(store)
    lane = "inbound:default:5"
    store.lanes.hold(lane, deadline_ms=60_000)
    store.lanes.push(lane, record("m:2"))
    store.lanes.push(lane, record("m:1"), front=True)
    assert refused(store, lane) == "held"
    assert hinted(store, "inbound") == []
    store.lanes.unhold(lane)
    assert hinted(store, "inbound") == [lane]
    grant = take(store, lane)
    assert grant.head.identity == "m:1"
    store.lanes.hold(lane, deadline_ms=60_000)
    assert store.lanes.commit(grant) is None, "a hold during work keeps the next head back"
    come_due(store, lane)
    store.lanes.sweep("inbound")
    assert take(store, lane).head.identity == "m:2"


def test_a_hold_on_an_empty_lane_leaves_nothing_when_it_ends(store: Store) -> None:
    store.lanes.hold("inbound:default:5", deadline_ms=60_000)
    store.lanes.unhold("inbound:default:5")
    store.lanes.hold("inbound:default:6", deadline_ms=60_000)
    come_due(store, "inbound:default:6")
    store.lanes.sweep("inbound")
    assert lane_keys(store, "inbound:default:5") == lane_keys(store, "inbound:default:6") == []
    assert store.redis.zcard(store.keys.due("inbound")) == 0


def test_move_before_work_has_begun(store: Store) -> None:
    put_hints(store)
    channel = "session:agent:main:discord:channel:2"
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2"))
    store.lanes.move(take(store), channel)
    assert take(store, channel).head.body == b"body of m:1"
    assert not store.lanes.push(SESSION, record("m:1")).new, "the producer's second attempt finds it gone"
    grant = take(store)
    store.lanes.checkpoint(grant, 1)
    with pytest.raises(StateConflict):
        store.lanes.move(grant, channel)


def test_a_moved_record_may_come_back(store: Store) -> None:
    hold = "hold:default:1:2"
    store.lanes.push("inbound:default:1", record("m:1"))
    store.lanes.move(take(store, "inbound:default:1"), hold, delay_ms=3_600_000)
    assert refused(store, hold) == "waiting"
    store.redis.hset(store.keys.lane_records(hold), "m:1", record("m:1", born=1).frame())
    store.lanes.move(take(store, hold), "inbound:default:1")
    assert take(store, "inbound:default:1").head.identity == "m:1"


def test_delays_wait_in_due(store: Store) -> None:
    put_hints(store)
    store.lanes.push("cron:job", record("job.1"), delay_ms=150)
    assert refused(store, "cron:job") == "waiting"
    assert hinted(store, "cron") == []
    assert store.lanes.sweep("cron").looked == 0
    time.sleep(0.16)
    assert store.lanes.sweep("cron").hinted == 1
    grant = take(store, "cron:job")
    assert store.lanes.commit(grant, [Push("cron:job", record("job.2"), delay_ms=60_000)]) is None
    assert refused(store, "cron:job") == "waiting"


def test_handled_failures_back_off_and_the_third_is_death(store: Store) -> None:
    put_hints(store)
    message = str(1 << 60)
    store.lanes.push(SESSION, record("m:1", account="default", message_id=message))
    store.lanes.push(SESSION, record("m:2"))
    for _ in range(2):
        failed = store.lanes.fail(take(store), Failure.HANDLED, code="bad", reason="it broke")
        assert failed is Failed.RETRIED
        assert refused(store) == "waiting"
        come_due(store)
    grant = take(store)
    assert grant.tries == 2
    assert store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="it broke\nagain") is Failed.DEAD
    (dead,) = store.lanes.dead_list()
    assert (dead.lane, dead.code, dead.tries, dead.record.identity) == (SESSION, "bad", 3, "m:1")
    assert dead.reason == "it broke\nagain"
    explained = store.ledger.explain("default", message)
    assert explained is not None
    assert (explained.outcome, explained.reason) == ("dead", "bad")
    assert take(store).head.identity == "m:2", "the lane goes on"


def test_infrastructure_failures_are_no_tries(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    for _ in range(8):
        failed = store.lanes.fail(take(store), Failure.INFRASTRUCTURE, code="away", reason="x")
        assert failed is Failed.RETRIED
        come_due(store)
    assert take(store).tries == 0


def test_a_mark_on_a_head_that_died_does_not_reach_the_next_one(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2"))
    for _ in range(2):
        take(store)
        end_lease(store)
        store.lanes.sweep("session")
    assert take(store, quarantine=True).head.identity == "m:1"
    assert store.lanes.abort(SESSION, "m:1", grace_ms=0)
    end_lease(store)
    grant = take(store)
    assert [dead.record.identity for dead in store.lanes.dead_list()] == ["m:1"]
    assert grant.head.identity == "m:2"
    assert not grant.aborted
    assert store.lanes.halted(grant) == ""


def test_two_dead_holders_mean_quarantine_and_a_third_is_proof(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    take(store)
    end_lease(store)
    assert store.lanes.sweep("session").expired == 1
    take(store)
    end_lease(store)
    swept = store.lanes.sweep("session")
    assert (swept.expired, swept.quarantined, swept.dead) == (1, 1, 0)
    assert hinted(store, "session.chores") == [SESSION]
    assert refused(store) == "quarantined"
    assert take(store, quarantine=True).quarantine
    end_lease(store)
    assert store.lanes.sweep("session").dead == 1
    (dead,) = store.lanes.dead_list()
    assert dead.code == "suspect"
    assert refused(store) == "empty"


def test_what_a_dead_turn_had_absorbed_gets_its_own(store: Store) -> None:
    for name in ("m:1", "m:2"):
        store.lanes.push(SESSION, record(name, mode="steer"))
    grant = take(store)
    store.lanes.absorb(grant, ["m:2"])
    for _ in range(3):
        store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="x", delay_ms=0)
        following = store.lanes.acquire(SESSION, new_token())
        assert isinstance(following, Grant)
        grant = following
    assert (grant.head.identity, grant.absorbed) == ("m:2", [])


def test_the_dead_can_be_retried_or_dropped(store: Store) -> None:
    for name in ("m:1", "m:2"):
        store.lanes.push(SESSION, record(name))
        grant = take(store)
        for _ in range(3):
            store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="x", delay_ms=0)
            answer = store.lanes.acquire(SESSION, new_token())
            grant = answer if isinstance(answer, Grant) else grant
    newest, oldest = store.lanes.dead_list()
    assert [dead.id for dead in store.lanes.dead_unnoticed()] == [oldest.id, newest.id]
    store.lanes.dead_noticed(oldest.id)
    assert [dead.id for dead in store.lanes.dead_unnoticed()] == [newest.id]
    assert store.lanes.dead_retry(oldest.id)
    again = take(store)
    assert (again.head.identity, again.tries) == ("m:1", 0)
    assert store.lanes.dead_drop(newest.id)
    assert store.lanes.dead_list() == []
    assert not store.lanes.dead_drop(newest.id)
    assert store.lanes.dead_show(newest.id) is None


def test_newer_versions_are_left_without_a_try(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2", v=2))
    grant = take(store)
    assert store.lanes.commit(grant) is None, "the next head is not ours to read"
    assert refused(store) == "version"
    newer = take(store, reads=(1, 2))
    assert (newer.head.v, newer.tries, newer.suspects) == (2, 0, 0)


def test_a_limit_counts_live_grants(store: Store) -> None:
    lanes = [f"session:agent:main:dm:{number}" for number in range(3)]
    for lane in lanes:
        store.lanes.push(lane, record("m:1"))
    limit = Limit("turns", 2)
    first = take(store, lanes[0], limit=limit)
    take(store, lanes[1], limit=limit, ttl_ms=150)
    assert refused(store, lanes[2], limit=limit) == "limit"
    time.sleep(0.16)
    third = take(store, lanes[2], limit=limit)
    assert refused(store, lanes[1], limit=limit) == "limit"
    assert store.lanes.commit(first) is None
    assert store.lanes.commit(third) is None
    take(store, lanes[1], limit=limit)


def test_a_stop_is_a_bound(store: Store) -> None:
    for number in (1, 2, 3):
        store.lanes.push(SESSION, record(f"m:{number}", born=1000 + number // 2, message_id=str(10 + number)))
    running = take(store)
    assert store.lanes.halted(running) == ""
    store.lanes.stop(SESSION, 1001, "13")
    assert store.lanes.halted(running) == "stopped", "born before the bound"
    second = store.lanes.commit(running)
    assert second is not None
    assert second.stopped, "the same millisecond, a smaller id"
    third = store.lanes.commit(second)
    assert third is not None
    assert not third.stopped, "the stop itself and what came later go on"
    store.lanes.stop(SESSION, 900, "1")
    assert store.lanes.stop_bound(SESSION) == (1001, "13"), "the bound only moves forward"


def test_a_stop_reaches_parked_and_backing_off_lanes(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1", born=1000))
    store.lanes.park(take(store), delay_ms=60_000)
    store.lanes.stop(SESSION, 2000)
    assert take(store).stopped


def test_slots_conflate(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    turn = take(store)
    for version in (1, 2, 2, 1):
        slot = Slot(DELIVERY, "turn.1", version, b"v%d" % version)
        store.lanes.checkpoint(turn, turn.step + 1, [slot])
        turn = take_again(store, turn)
    assert store.lanes.depth(DELIVERY) == 1
    sender = take(store, DELIVERY)
    assert (sender.head.kind, sender.head.identity, sender.head.body) == ("slot", "slot.turn.1.2", b"v2")
    store.lanes.checkpoint(turn, turn.step + 1, [Slot(DELIVERY, "turn.1", 3, b"v3")])
    turn = take_again(store, turn)
    assert store.lanes.depth(DELIVERY) == 2, "what is being sent is not taken away"
    final = [Slot(DELIVERY, "turn.1", 4, None), Push(DELIVERY, record("final"))]
    store.lanes.checkpoint(turn, turn.step + 1, final)
    turn = take_again(store, turn)
    store.lanes.checkpoint(turn, turn.step + 1, [Slot(DELIVERY, "turn.1", 5, b"late")])
    following = store.lanes.commit(sender)
    assert following is not None
    assert following.head.identity == "final", "closed: the queued preview is gone, later ones are ignored"
    assert store.lanes.depth(DELIVERY) == 1


def take_again(store: Store, grant: Grant) -> Grant:
    """The same token again: the grant as it stands now."""
    again = store.lanes.acquire(grant.lane, grant.token)
    assert isinstance(again, Grant)
    return again


def test_renew_keeps_a_lease_and_sweep_believes_it(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store, ttl_ms=150)
    for _ in range(4):
        time.sleep(0.07)
        assert store.lanes.renew({SESSION: grant.token}, ttl_ms=150) == set()
        assert store.lanes.sweep("session").expired == 0
    time.sleep(0.2)
    assert store.lanes.sweep("session").expired == 1
    assert store.lanes.renew({SESSION: grant.token}) == {SESSION}


def test_a_lost_hint_is_repeated_but_not_without_bound(store: Store) -> None:
    put_hints(store)
    lanes = [f"session:agent:main:dm:{number}" for number in range(20)]
    for lane in lanes:
        store.lanes.push(lane, record("m:1"))
    queue = "shoal:1:q:test.session"
    for lane in lanes:
        store.redis.zadd(store.keys.due("session"), {lane: 1})
    assert store.lanes.sweep("session").hinted == 0, "twenty hints lie there for twenty lanes"
    store.redis.ltrim(queue, 0, 14)
    for lane in lanes:
        store.redis.zadd(store.keys.due("session"), {lane: 1})
    swept = store.lanes.sweep("session")
    assert (swept.looked, swept.hinted) == (20, 5)
    assert store.redis.llen(queue) == 20


def test_stale_messages_in_a_queue_starve_nobody(store: Store) -> None:
    put_hints(store)
    store.redis.lpush("shoal:1:q:test.session", *["stale"] * 10)
    store.lanes.push(SESSION, record("m:1"))
    store.redis.zadd("shoal:1:ready:session", {SESSION: 1})
    store.redis.zadd(store.keys.due("session"), {SESSION: 1})
    assert store.lanes.sweep("session").hinted == 1
    store.redis.zadd(store.keys.due("session"), {SESSION: 1})
    assert store.lanes.sweep("session").hinted == 0, "one in two seconds"


def test_no_template_means_waiting_for_a_sweep(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    put_hints(store)
    store.redis.zadd(store.keys.due("session"), {SESSION: 1})
    assert store.lanes.sweep("session").hinted == 1


def test_a_jump_of_the_clock_gives_holders_time_to_renew(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    end_lease(store)
    now = store.now_ms()
    store.redis.hset("shoal:1:clock", mapping={"seen": now - 60_000})
    assert store.lanes.sweep("session").expired == 0
    assert store.lanes.renew({SESSION: grant.token}) == set()


def test_time_does_not_run_backwards_by_a_little_and_a_lot_changes_the_epoch(store: Store) -> None:
    epoch = store.epoch()
    now = store.now_ms()
    store.redis.hset("shoal:1:clock", mapping={"seen": now + 30_000})
    store.lanes.push(SESSION, record("m:1"))
    assert take(store).head.born >= now + 30_000
    assert store.epoch() == epoch
    store.redis.hset("shoal:1:clock", mapping={"seen": now + 300_000})
    store.lanes.push(DELIVERY, record("m:1"))
    assert take(store, DELIVERY).head.born < now + 60_000
    assert store.epoch() != epoch


def test_overview_tells_where_lanes_stand(store: Store) -> None:
    names = {
        state: f"session:agent:main:dm:{state}" for state in ("held", "parked", "waiting", "ready", "taken")
    }
    for lane in names.values():
        store.lanes.push(lane, record("m:1"))
    store.lanes.hold(names["held"], deadline_ms=60_000)
    store.lanes.park(take(store, names["parked"]), delay_ms=60_000)
    store.lanes.yield_(take(store, names["waiting"]), delay_ms=60_000)
    take(store, names["taken"])
    found = {info.lane: info for info in store.lanes.overview()}
    assert {state: found[lane].state for state, lane in names.items()} == {state: state for state in names}
    assert all(info.depth == 1 and info.head == "m:1" for info in found.values())
    assert store.lanes.counts()["session"] == (5, 0)


def test_an_older_park_does_not_wake_a_later_one(store: Store) -> None:
    store.lanes.push("session:agent:main:x", record("a"))
    first = take(store, "session:agent:main:x")
    store.lanes.park(first, delay_ms=60_000, wake_on=["receipt.1"])
    store.lanes.push("session:agent:main:x", record("b"))  # a push wakes it, the key has not fired
    second = take(store, "session:agent:main:x")
    store.lanes.park(second, delay_ms=90_000, wake_on=["receipt.2"])
    assert store.lanes.wake("receipt.1") == 0
    assert store.lanes.wake("receipt.2") == 1
