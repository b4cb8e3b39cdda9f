"""Answers of look-ups: kept for a while, read together, and waking who waits."""

from __future__ import annotations

import time

from shoal.base.ids import new_token
from shoal.state.lookups import Asked
from shoal.state.records import Grant, Record, Refused
from shoal.state.store import Store

MEMBER = Asked("default", "member", "5.101")
MESSAGE = Asked("default", "message", "77")
LANE = "hold:default:600:101"


def test_answers_are_read_together_and_no_is_an_answer(store: Store) -> None:
    store.lookups.put(MEMBER, {"roles": ["1"]}, ttl_s=60)
    store.lookups.put(MESSAGE, None, ttl_s=60)
    other = Asked("second", "member", "5.101")
    assert store.lookups.some([MEMBER, MESSAGE, other]) == {MEMBER: b'{"roles":["1"]}', MESSAGE: b"null"}
    assert store.lookups.get(other) is None
    assert store.lookups.some([]) == {}


def test_an_answer_ends_by_itself(store: Store) -> None:
    store.lookups.put(MEMBER, 1, ttl_s=0.05)
    time.sleep(0.1)
    assert store.lookups.get(MEMBER) is None


def test_an_answer_wakes_who_waits_before_and_after(store: Store) -> None:
    store.lanes.push(LANE, Record("a", "test", b"{}"))
    grant = store.lanes.acquire(LANE, new_token())
    assert isinstance(grant, Grant)
    store.lanes.park(grant, delay_ms=60_000, wake_on=[MEMBER.wake_key])
    assert isinstance(store.lanes.acquire(LANE, new_token()), Refused)
    store.lookups.put(MEMBER, 1, ttl_s=60)
    again = store.lanes.acquire(LANE, new_token())
    assert isinstance(again, Grant)
    store.lanes.park(again, delay_ms=60_000, wake_on=[MEMBER.wake_key])  # the answer came first
    assert isinstance(store.lanes.acquire(LANE, new_token()), Grant)
