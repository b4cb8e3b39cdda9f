"""Controls: who clicked first, how long they live, and that nothing is used up twice."""

from __future__ import annotations

import threading

from shoal.base.ids import new_token
from shoal.state.controls import Taken
from shoal.state.effects import Control, Controls
from shoal.state.records import Grant, Record
from shoal.state.store import Store

ONCE = Control("btn_g1-1", b"once")
TWIN = Control("btn_g1-2", b"twin")
MANY = Control("btn_g1-3", b"many", reusable=True)


def remember(store: Store, *controls: Control, group: str = "g1", life_ms: int = 60_000) -> None:
    store.lanes.push("session:s", Record("r" + new_token(), "turn", b"{}"))
    grant = store.lanes.acquire("session:s", new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, [Controls("default", group, life_ms, controls)], take_next=False)


def take(store: Store, control: Control, interaction: str) -> Taken:
    return store.controls.take("default", "g1", control.id, interaction)


def test_the_first_click_uses_up_the_message_but_not_what_is_reusable(store: Store) -> None:
    remember(store, ONCE, TWIN, MANY)
    assert take(store, MANY, "i0") == Taken("taken", b"many")
    assert take(store, ONCE, "i1") == Taken("taken", b"once")
    assert take(store, ONCE, "i1") == Taken("taken", b"once"), "the same click once more, after a crash"
    assert take(store, ONCE, "i2") == Taken("used")
    assert take(store, TWIN, "i3") == Taken("used")
    assert take(store, MANY, "i4") == Taken("taken", b"many")
    assert store.controls.look("default", "g1", ONCE.id) == b"once"


def test_unknown_expired_and_other_accounts_are_gone(store: Store) -> None:
    remember(store, ONCE, life_ms=1)
    assert store.controls.take("default", "other", "btn_x-1", "i1") == Taken("gone")
    assert store.controls.take("second", "g1", ONCE.id, "i1") == Taken("gone")
    while store.redis.exists(store.keys.controls("default", "g1")):
        pass
    assert take(store, ONCE, "i1") == Taken("gone")
    assert store.controls.look("default", "g1", ONCE.id) is None


def test_remembering_again_does_not_bring_back_what_is_used_up(store: Store) -> None:
    remember(store, ONCE)
    assert take(store, ONCE, "i1").how == "taken"
    remember(store, ONCE)
    assert take(store, ONCE, "i2").how == "used"


def test_of_racing_clicks_exactly_one_wins_each(store: Store) -> None:
    rounds = 1_000
    for number in range(rounds):
        store.redis.hset(store.keys.controls("default", f"g{number}"), "btn_x-1", b"0x")
    won: list[int] = []
    barrier = threading.Barrier(8)

    def click(name: int) -> None:
        barrier.wait()
        for number in range(rounds):
            if store.controls.take("default", f"g{number}", "btn_x-1", f"i{name}").how == "taken":
                won.append(number)

    threads = [threading.Thread(target=click, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(rounds))
