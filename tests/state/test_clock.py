"""Redis' clock falls back by an hour (rule R35): nothing stands still until it is there again."""

from __future__ import annotations

import pytest

from shoal.base.errors import StaleGrant
from shoal.base.ids import new_token
from shoal.discord.errors import RateWait
from shoal.discord.limiter import Answer, Limiter, Priority
from shoal.state.records import Grant
from shoal.state.store import Store
from tests.discord.support.limiting import SCOPE, rate, send
from tests.state.situations import fall_back
from tests.state.support import SESSION, hinted, put_hints, record
from tests.state.taking import end_lease, refused, take

HOUR = 3_600_000
MINUTE = 60_000


def grace_over(store: Store) -> None:
    """Those who hold a lane have had their time to renew."""
    store.redis.hset(store.keys.clock(), "jump", 1)


def lane(number: int) -> str:
    return f"session:agent:main:discord:channel:{number}"


def sweep(store: Store, limit: int = 500) -> None:
    for _ in range(20):
        for name in store.lanes.to_sweep():
            store.lanes.sweep(name, limit)


@pytest.mark.parametrize("limit", [500, 2])
def test_what_waited_for_moments_waits_for_moments(store: Store, limit: int) -> None:
    """A dead holder's lease, a park, a back-off, a hold, a short delay: each is over when it should be."""
    put_hints(store)
    for number in range(1, 6):
        store.lanes.push(lane(number), record("m:1"), delay_ms=MINUTE if number == 5 else 0)
    died = take(store, lane(1))
    store.lanes.park(take(store, lane(2)), delay_ms=MINUTE)
    store.lanes.yield_(take(store, lane(3)), delay_ms=MINUTE)
    store.lanes.hold(lane(4), deadline_ms=MINUTE)
    end_lease(store, lane(1))
    fall_back(store)
    sweep(store, limit)
    grace_over(store)
    sweep(store, limit)
    assert take(store, lane(1)).suspects == 1
    with pytest.raises(StaleGrant):
        store.lanes.commit(died)
    for number, why in ((2, "parked"), (3, "waiting"), (4, "held"), (5, "waiting")):
        assert refused(store, lane(number)) == why
        due = store.redis.zscore(store.keys.due("session"), lane(number))
        assert 0 < due - store.now_ms() <= MINUTE, f"{why}: not in an hour"
    assert store.lanes.to_sweep() == []


def test_the_living_keep_what_they_hold(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    fall_back(store)
    sweep(store)
    assert refused(store) == "taken"
    assert store.lanes.renew({SESSION: grant.token}) == set()
    sweep(store)
    grace_over(store)
    assert refused(store) == "taken"
    store.lanes.checkpoint(grant, 1)
    assert store.lanes.commit(grant) is None


def test_one_who_renewed_and_died_is_found_after_his_lease(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    fall_back(store)
    store.lanes.renew({SESSION: grant.token})
    sweep(store)
    grace_over(store)
    until = int(store.redis.hget(store.keys.lane(SESSION), "until"))
    assert 0 < until - store.now_ms() <= 5_000
    assert store.redis.zscore(store.keys.due("session"), SESSION) == until


def test_a_date_stays_a_date(store: Store) -> None:
    """A record for the day after tomorrow does not come an hour early."""
    day = 24 * HOUR
    store.lanes.push("cron:job", record("slot"), delay_ms=2 * day)
    before = store.redis.zscore(store.keys.due("cron"), "cron:job")
    fall_back(store)
    sweep(store)
    assert store.redis.zscore(store.keys.due("cron"), "cron:job") == before + HOUR


def test_a_second_fall_counts_as_well_and_new_lanes_know_of_the_first(store: Store) -> None:
    store.lanes.push(lane(1), record("m:1"), delay_ms=MINUTE)
    fall_back(store)
    sweep(store)
    store.lanes.push(lane(2), record("m:1"))
    store.lanes.park(take(store, lane(2)), delay_ms=MINUTE)
    sweep(store)
    assert refused(store, lane(2)) == "parked"
    fall_back(store)
    sweep(store)
    for number in (1, 2):
        due = store.redis.zscore(store.keys.due("session"), lane(number))
        assert 0 < due - store.now_ms() <= MINUTE


def test_a_lost_hint_is_sent_again(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    assert hinted(store, "session") == [SESSION]
    store.redis.delete(*store.redis.keys("shoal:1:q:*"))
    fall_back(store)
    sweep(store)
    assert SESSION in hinted(store, "session")
    assert isinstance(store.lanes.acquire(SESSION, new_token()), Grant)


def test_a_push_to_a_lane_that_waits_does_not_end_its_wait(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.yield_(take(store), delay_ms=MINUTE)
    fall_back(store)
    store.lanes.push(SESSION, record("m:2"))
    assert refused(store) == "waiting"
    sweep(store)
    assert 0 < store.redis.zscore(store.keys.due("session"), SESSION) - store.now_ms() <= MINUTE


def test_requests_are_sent_at_once(store: Store) -> None:
    """The log of the global limit and a bucket's reset lie an hour ahead: nobody waits for that hour."""
    limiter, route = Limiter(store), send(1)
    booking = limiter.acquire(SCOPE, route, Priority.INTERACTIVE)
    limiter.settle(SCOPE, route, Priority.INTERACTIVE, booking, Answer(200, rate(left=0)))
    with pytest.raises(RateWait):
        limiter.acquire(SCOPE, route, Priority.INTERACTIVE, max_wait=0)
    fall_back(store)
    for priority in (Priority.INTERACTIVE, Priority.BACKGROUND):
        again = limiter.acquire(SCOPE, send(int(priority)), priority, max_wait=0.5)
        limiter.settle(SCOPE, route, priority, again, Answer(200, rate()))
