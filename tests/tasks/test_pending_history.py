"""Pending history after a gap (spec/inbound.md 4.6, rules R19 and R21): what later turns may quote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, BOB, GUILD, Front
from workers.sessions import history

MakeFront = Callable[..., Front]


@pytest.fixture
def make_front(store: Store, redis_server: RedisServer, tmp_path: Path) -> MakeFront:
    """Front workers on one store."""

    def make(**options: Any) -> Front:
        return Front(store, redis_server.url, tmp_path, **options)

    return make


def quoted(front: Front, limit: int = 20) -> list[str]:
    """What the newest turn may quote."""
    return [entry.body for entry in history.pending(front.store.sessions, front.turns()[-1], limit).entries]


def test_what_was_said_in_a_gap_is_quoted_up_to_the_limit_and_the_trigger(make_front: MakeFront) -> None:
    front = make_front()
    front.catching_up = True
    for number in range(6):
        front.say(f"missed {number}")
    missed = front.say("please answer", mention=True)
    front.catching_up = False
    front.say("live")
    front.say("now", mention=True)
    front.say("later")
    front.work()
    assert len(front.turns()) == 1, "what is too old starts nothing, not even with a mention"
    assert quoted(front)[-2:] == ["@shoal please answer", "live"]
    assert quoted(front, 3) == ["missed 5", "@shoal please answer", "live"]
    assert front.outcome(missed) == ("history", "missed-too-long-ago")


def test_a_message_that_is_fetched_twice_is_quoted_once(make_front: MakeFront) -> None:
    front = make_front()
    front.catching_up = True
    said = front.say("once")
    front.work()
    front.say("once", id=said)
    front.catching_up = False
    front.say("now", mention=True)
    front.work()
    assert quoted(front) == ["once"]


def test_a_limit_of_zero_keeps_nothing(make_front: MakeFront) -> None:
    front = make_front(discord={"historyLimit": 0})
    front.catching_up = True
    missed = front.say("missed")
    front.catching_up = False
    chatter = front.say("chatter")
    front.say("now", mention=True)
    front.work()
    assert {front.outcome(name)[0] for name in (missed, chatter)} == {"dropped"}
    assert quoted(front) == []


def test_only_who_may_talk_is_quoted(make_front: MakeFront) -> None:
    """Refused, unknown after a gap, or held: none of it is shown to anybody's turn."""
    section = {"guilds": {GUILD: {"users": [ANN], "roles": ["77"]}}}
    front = make_front(discord=section, messages={"inbound": {"debounceMs": 600_000}})
    front.say("a stranger's", BOB)
    front.catching_up = True
    unknown = front.say("no member came along", "103", member=...)
    front.catching_up = False
    front.say("held back", "104", member={"roles": ["77"]})
    front.say("", mention=True, message_snapshots=[{"message": {"content": "said elsewhere"}}])
    front.work()
    assert front.outcome(unknown) == ("dropped", "member-unknown")
    assert len(front.turns()) == 1
    assert quoted(front) == []
