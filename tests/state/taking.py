"""Taking lanes by hand, and letting their waits be over without waiting."""

from __future__ import annotations

from shoal.base.ids import new_token
from shoal.state.records import Grant, Refused
from shoal.state.store import Store
from tests.state.support import SESSION


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


def take_again(store: Store, grant: Grant) -> Grant:
    """The same token again: the grant as it stands now."""
    again = store.lanes.acquire(grant.lane, grant.token)
    assert isinstance(again, Grant)
    return again
