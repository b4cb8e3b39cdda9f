"""Acknowledgement and state of a turn as reactions, under Discord's limits (``spec/inbound.md`` 7.4, 7.5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.workers.delivery.reacting import REACTION, Reacting
from workers.delivery.reactions import (
    StatusSettings,
    TurnReactions,
    own_emojis,
    same_emoji,
    tool_state,
)

EMOJIS = {
    "thinking": "🤔",
    "tool": "🔥",
    "coding": "👨‍💻",
    "web": "⚡",
    "done": "👍",
    "error": "😱",
    "stallSoft": "🥱",
    "stallHard": "😨",
    "compacting": "✍",
}
FAST = StatusSettings(EMOJIS, debounce_s=0.05, stall_soft_s=60, stall_hard_s=120)


@pytest.fixture(scope="module")
def limited() -> Iterator[Simulator]:
    """A Discord that keeps its limits."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def room(store: Store, limited: Simulator) -> Iterator[Reacting]:
    made = Reacting(store, limited)
    yield made
    for reactions in made.open:
        reactions.close()
    limited.control.clear_faults()
    made.transport.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("reactions-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread outlived its turn"
        time.sleep(0.02)


def shown(room: Reacting, status: StatusSettings | None = FAST, **options: object) -> TurnReactions:
    made = TurnReactions(room.rest, room.mark(), status=status, **options)  # type: ignore[arg-type]
    room.open.append(made)
    return made


def test_an_acknowledgement_is_one_request(room: Reacting) -> None:
    reactions = shown(room, None)
    reactions.ack(room.mark())
    room.wait("👀")
    reactions.show("thinking")
    assert room.steady()
    assert room.done() == [("PUT", "👀")]


def test_a_custom_emoji(room: Reacting) -> None:
    reactions = TurnReactions(room.rest, room.mark("blob:123456789"))
    reactions.ack(room.mark("blob:123456789"))
    room.wait_until(lambda: len(room.asked()) == 1)
    assert room.done() == [("PUT", "blob:123456789")]


def test_states_follow_one_another_new_first_then_old(room: Reacting) -> None:
    reactions = shown(room)
    reactions.ack(room.mark())
    reactions.show("thinking")
    room.wait("🤔")
    reactions.show(tool_state("exec"))
    room.wait("👨‍💻")
    reactions.show("thinking")
    room.wait("🤔")
    reactions.close()
    assert room.done() == [
        ("PUT", "👀"),
        ("PUT", "🤔"),
        ("DELETE", "👀"),
        ("PUT", "👨‍💻"),
        ("DELETE", "🤔"),
        ("PUT", "🤔"),
        ("DELETE", "👨‍💻"),
    ]


def test_quick_changes_are_one(room: Reacting) -> None:
    """Debounce: what is over before it would be seen is never shown."""
    reactions = shown(room, StatusSettings(EMOJIS, debounce_s=0.3, stall_soft_s=60, stall_hard_s=120))
    reactions.ack(room.mark())
    for name in ("read", "web_search", "message", "read", "web_search"):
        reactions.show(tool_state(name))
    room.wait("⚡")
    reactions.close()
    assert room.done() == [("PUT", "👀"), ("PUT", "⚡"), ("DELETE", "👀")]


def test_the_slow_bucket_makes_the_newest_win(room: Reacting) -> None:
    """Thirty states in a second: a handful of requests, none of them refused, and the last is seen."""
    reactions = shown(room, StatusSettings(EMOJIS, debounce_s=0.0, stall_soft_s=60, stall_hard_s=120))
    reactions.ack(room.mark())
    for turn in range(30):
        reactions.show("thinking" if turn % 2 else "web")
        time.sleep(0.03)
    room.wait("🤔")
    reactions.close()
    assert len(room.done()) <= 10


@pytest.mark.slow
def test_stalls_are_shown_and_end_with_progress(room: Reacting) -> None:
    timing = StatusSettings(EMOJIS, debounce_s=0.0, stall_soft_s=1.0, stall_hard_s=4.0)
    reactions = shown(room, timing)
    reactions.ack(room.mark())
    reactions.show("thinking")
    room.wait("🤔")
    room.wait("🥱")
    room.wait("😨")
    time.sleep(0.3)
    reactions.touch()
    room.wait("🤔")
    reactions.close()


def test_after_the_end_nothing_more_is_asked(room: Reacting) -> None:
    reactions = shown(room)
    reactions.ack(room.mark())
    reactions.show("thinking")
    room.wait("🤔")
    assert reactions.close(wait_s=1.0)
    reactions.show("tool")
    reactions.touch()
    assert room.steady()
    assert room.ours() == ["🤔"]


def test_the_end_waits_for_what_is_on_its_way(room: Reacting) -> None:
    room.control.fault("delay", route=f"PUT {REACTION}", seconds=0.5)
    reactions = shown(room, None)
    reactions.ack(room.mark())
    room.wait_until(lambda: reactions._busy)
    assert not reactions.close(wait_s=0.1), "still in flight"
    assert reactions.close(wait_s=5.0)
    assert room.ours() == ["👀"]


def test_a_lost_turn_shows_nothing_more(room: Reacting) -> None:
    alive = True
    reactions = shown(room, alive=lambda: alive)
    reactions.ack(room.mark())
    room.wait("👀")
    alive = False
    reactions.show("thinking")
    assert room.steady()
    assert room.ours() == ["👀"]


def test_a_successor_finds_what_a_killed_worker_left(room: Reacting) -> None:
    room.rest.create_reaction(room.channel, room.message, "🔥")
    reactions = shown(room, known=False)
    reactions.show("thinking")
    room.wait("🤔")
    reactions.close()
    assert room.done()[1:] == [("PUT", "🤔"), ("DELETE", "🔥")]


def test_a_turn_that_parked_goes_on_without_asking(room: Reacting) -> None:
    reactions = shown(room)
    reactions.ack(room.mark())
    reactions.show("thinking")
    room.wait("🤔")
    reactions.close()
    reactions.reopen(lambda: True)
    reactions.show("tool")
    room.wait("🔥")
    reactions.close()
    assert not [one for one in room.control.requests(route="GET /channels") if room.message in one["path"]]


def test_messages_that_join_the_turn_are_acknowledged(room: Reacting) -> None:
    second, third = room.say("and"), room.say("also")
    room.control.delete(room.channel, second)
    reactions = shown(room, None)
    for message in (room.message, second, third):
        reactions.ack(room.mark(message=message))
    room.wait("👀", message=third)
    assert room.ours() == ["👀"], "one that was deleted stops nothing"


@pytest.mark.parametrize("status", [403, 404])
def test_where_reactions_are_not_possible_it_gives_up(room: Reacting, status: int) -> None:
    room.control.fault("status", route=f"PUT {REACTION}", status=status, count=None)
    reactions = shown(room)
    reactions.ack(room.mark())
    room.wait_until(lambda: len(room.asked()) == 1)
    reactions.show("thinking")
    assert room.steady()


def test_an_emoji_discord_does_not_know_is_left_out(room: Reacting) -> None:
    room.control.fault("status", route=f"PUT {REACTION}", status=400, count=1, skip=1)
    reactions = shown(room)
    reactions.ack(room.mark())
    reactions.show("thinking")
    room.wait_until(lambda: len(room.asked()) == 2)
    reactions.show("tool")
    room.wait("🔥")
    reactions.close()


def test_trouble_of_discord_is_tried_again(room: Reacting) -> None:
    room.control.fault("status", route=f"PUT {REACTION}", status=503, count=1)
    reactions = shown(room, None)
    reactions.ack(room.mark())
    room.wait("👀")
    assert len(room.asked()) == 2


@pytest.mark.parametrize(
    ("tool", "state"),
    [
        ("exec", "coding"),
        ("file_read", "coding"),
        ("apply_patch", "coding"),
        ("web_fetch", "web"),
        ("browser", "web"),
        ("message", "tool"),
        ("memory_search", "tool"),
    ],
)
def test_tools_and_their_states(tool: str, state: str) -> None:
    assert tool_state(tool) == state


def test_emojis_are_compared_by_what_people_see() -> None:
    assert same_emoji("✍", "✍️")
    assert same_emoji("a:77", "b:77")
    assert not same_emoji("👍", "👎")
    message = {
        "reactions": [
            {"me": True, "emoji": {"id": None, "name": "👍"}},
            {"me": False, "emoji": {"id": None, "name": "🎉"}},
            {"me": True, "emoji": {"id": "77", "name": "blob"}},
            {"me": True},
            "nonsense",
        ]
    }
    assert own_emojis(message) == ["👍", "blob:77"]
    assert own_emojis({}) == []
