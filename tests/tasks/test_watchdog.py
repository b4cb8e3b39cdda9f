"""A deaf worker leaves; a busy one stays."""

from __future__ import annotations

import threading

import pytest

import tasks.watchdog
from shoal.base import exits
from shoal.state.store import Store
from tasks.watchdog import DEAF_S, Watchdog


def test_a_pool_of_other_processes_is_deaf_only_while_it_has_nothing_in_hand(store: Store) -> None:
    left: list[int] = []
    in_hand = 1
    watchdog = Watchdog(store, ["queue"], 1, in_hand=lambda: in_hand, leave=left.append)
    now = 1e9
    store.redis.lpush("queue", "hint")
    watchdog.look(now)
    watchdog.look(now + 10 * DEAF_S)
    assert not left
    in_hand = 0
    watchdog.look(now + 10 * DEAF_S + 1)
    watchdog.look(now + 11 * DEAF_S)
    assert not left
    watchdog.look(now + 12 * DEAF_S)
    assert left == [exits.BUG]


def test_an_empty_queue_is_no_sign_of_deafness(store: Store) -> None:
    left: list[int] = []
    watchdog = Watchdog(store, ["queue"], 4, leave=left.append)
    for second in range(20):
        watchdog.look(1e9 + second)
    assert not left


def test_an_error_at_a_look_does_not_end_the_watching(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.watchdog, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(tasks.watchdog, "DEAF_S", 0.1)
    left = threading.Event()
    store.redis.set("queue", "no list")
    Watchdog(store, ["queue"], 1, in_hand=lambda: 0, leave=lambda _code: left.set()).start()
    assert not left.wait(0.3)
    store.redis.delete("queue")
    store.redis.lpush("queue", "hint")
    assert left.wait(10)
