"""Lanes that wait: park and wake, hold, move, delays, stops."""

from __future__ import annotations

import time

import pytest

from shoal.base.errors import StateConflict
from shoal.state.effects import Push, Wake
from shoal.state.store import Store
from tests.state.support import DELIVERY, SESSION, hinted, put_hints, record
from tests.state.taking import come_due, lane_keys, refused, take


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
    assert store.lanes.stop_bound(SESSION, "") == (1001, "13"), "the bound only moves forward"


def test_a_stop_of_a_place_ends_what_came_from_there(store: Store) -> None:
    """People who share a session do not end each other's turns; what reaches further counts."""
    here, there = "default|1|trusted", "default|2|guest"
    for born, scope in ((1000, here), (1001, there), (1002, here), (4000, "default|12|owner")):
        store.lanes.push(SESSION, record(f"m:{born}", born=born, scope=scope))
    running = take(store)
    store.lanes.stop(SESSION, 5000, "7", place="default|2|")
    assert store.lanes.halted(running) == ""
    store.lanes.stop(SESSION, 1001, "8", place="default|1|")
    assert store.lanes.halted(running) == "stopped"
    second = store.lanes.commit(running)
    assert second is not None
    assert second.stopped, "the stops of two places stand beside each other"
    third = store.lanes.commit(second)
    assert third is not None
    assert not third.stopped, "born after the stop of its place"
    assert store.lanes.stop_bound(SESSION, here) == (1001, "8")
    assert store.lanes.stop_bound(SESSION, "") is None
    store.lanes.stop(SESSION, 3000, "9")
    assert store.lanes.halted(third) == "stopped"
    assert store.lanes.stop_bound(SESSION, there) == (5000, "7")
    assert store.lanes.stop_bound(SESSION, here) == (3000, "9")
    last = store.lanes.commit(third)
    assert last is not None
    assert not last.stopped


def test_a_stop_of_another_place_wakes_nobody(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1", born=1000, scope="default|1|guest"))
    store.lanes.park(take(store), delay_ms=60_000)
    store.lanes.stop(SESSION, 2000, place="default|2|")
    assert refused(store, SESSION) == "parked"
    store.lanes.stop(SESSION, 2000, place="default|1|")
    assert take(store).stopped


def test_a_stop_reaches_parked_and_backing_off_lanes(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1", born=1000))
    store.lanes.park(take(store), delay_ms=60_000)
    store.lanes.stop(SESSION, 2000)
    assert take(store).stopped


def test_an_older_park_does_not_wake_a_later_one(store: Store) -> None:
    store.lanes.push("session:agent:main:x", record("a"))
    first = take(store, "session:agent:main:x")
    store.lanes.park(first, delay_ms=60_000, wake_on=["receipt.1"])
    store.lanes.push("session:agent:main:x", record("b"))  # a push wakes it, the key has not fired
    second = take(store, "session:agent:main:x")
    store.lanes.park(second, delay_ms=90_000, wake_on=["receipt.2"])
    assert store.lanes.wake("receipt.1") == 0
    assert store.lanes.wake("receipt.2") == 1
