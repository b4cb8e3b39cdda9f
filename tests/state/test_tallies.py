"""Counting in sliding windows: by the messages' own times, once each, and forgotten in time."""

from __future__ import annotations

from shoal.base.ids import new_token
from shoal.state.effects import Effect, Tally
from shoal.state.records import Grant
from shoal.state.store import Store
from tests.state.support import SESSION, put_hints, record

T = 1_790_000_000_000


def commit(store: Store, *effects: Effect) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record(f"m:{new_token()}"))
    grant = store.lanes.acquire(SESSION, new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, effects, take_next=False)


def counted(store: Store, after: int, before: int) -> tuple[int, int]:
    return store.tallies.count("default", [("turns.1", after, before)])[0]


def mark(member: str, at: int, life: int = 60_000) -> Tally:
    return Tally("default", "turns.1", member, at, life)


def test_a_window_excludes_both_its_ends_and_so_the_message_itself(store: Store) -> None:
    commit(store, mark("a", T), mark("b", T + 10), mark("c", T + 20))
    assert counted(store, T, T + 20) == (1, T + 10)
    assert counted(store, T - 1, T + 21) == (3, T + 20)
    assert counted(store, T + 20, T + 100) == (0, 0)


def test_a_message_counts_once_however_often_it_is_delivered(store: Store) -> None:
    commit(store, mark("a", T))
    commit(store, mark("a", T + 5))
    assert counted(store, 0, T + 100) == (1, T)


def test_what_is_older_than_its_life_is_forgotten(store: Store) -> None:
    commit(store, mark("a", T), mark("b", T + 1))
    commit(store, mark("c", T + 60_001))
    assert counted(store, 0, T + 100_000) == (1, T + 60_001)
    assert 0 < store.redis.pttl(store.keys.tally("default", "turns.1")) <= 60_000


def test_accounts_and_names_are_apart(store: Store) -> None:
    commit(store, mark("a", T), Tally("work", "turns.1", "a", T, 60_000))
    asked = [("turns.1", 0, T + 1), ("turns.2", 0, T + 1)]
    assert store.tallies.count("work", asked) == [(1, T), (0, 0)]
    assert store.tallies.count("work", []) == []
