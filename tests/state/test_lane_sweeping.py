"""Leases, hints and the clock: what the sweep finds."""

from __future__ import annotations

import time

from shoal.state.store import Store
from tests.state.support import DELIVERY, SESSION, put_hints, record
from tests.state.taking import end_lease, take


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
