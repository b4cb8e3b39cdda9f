"""A turn reads what happened around its conversation, once (``spec/inbound.md`` 7.3, rule R21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.base.ids import new_token
from shoal.simulator.models import ModelServer
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import LANE, CountingTool, deps, record, request, take, turn
from workers.agent.context import TurnContext
from workers.agent.turn import run_turn
from workers.sessions.records import TurnRequest
from workers.sessions.system_events import QueuedEvent, pending_events, queue_event

Start = Callable[..., ModelServer]
KEY = "agent:main:discord:channel:777"
AT = 1_767_574_193_000


def happen(store: Store, text: str, *, trusted: bool = True, key: str = KEY) -> None:
    """An event arrives, as admission writes it."""
    lane = "inbound:default:777"
    store.lanes.push(lane, Record(f"r.{new_token()[:12]}", "x", b""))
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    event = QueuedEvent(f"e.{new_token()[:12]}", text, AT, about=text, trusted=trusted)
    store.lanes.commit(grant, [queue_event(key, event)])


def ask(store: Store, text: str = "hi", number: int = 0, **changes: Any) -> TurnRequest:
    wanted = request(text, number, **changes)
    store.lanes.push(LANE, record(wanted))
    return wanted


def waiting(store: Store) -> list[str]:
    return [event.text for event in pending_events(store.sessions, KEY)]


def prompt(server: ModelServer, number: int = -1) -> str:
    """What the model read last as the user's words."""
    users = [one for one in bodies(server)[number]["messages"] if one["role"] == "user"]
    return str(users[-1]["content"])


def test_the_next_turn_reads_what_waits_and_only_it(store: Store, chat_server: Start) -> None:
    happen(store, "Discord reaction added: 👍 by ann on reef #talk msg 1 from shoal")
    happen(store, "Discord system: bob pinned a message in Reef #talk", trusted=False)
    server = chat_server([{"text": "one"}, {"text": "two"}])
    ask(store, "first")
    turn(store, deps(store, server))
    text = prompt(server)
    assert text.startswith(
        "System: [2026-01-05 00:49:53 UTC] Discord reaction added: 👍 by ann on reef #talk msg 1 from shoal\n"
        "System (untrusted): [2026-01-05 00:49:53 UTC] Discord system: bob pinned a message in Reef #talk\n"
    )
    assert text.rstrip().endswith("first")
    assert waiting(store) == []
    ask(store, "second", 1)
    turn(store, deps(store, server))
    assert "System" not in prompt(server)


def test_an_event_alone_starts_no_turn(store: Store) -> None:
    happen(store, "Discord reaction added: 👍")
    assert store.lanes.depth(LANE) == 0


def test_the_conversation_remembers_what_it_was_told(store: Store, chat_server: Start) -> None:
    happen(store, "Discord reaction added: 👍 by ann")
    server = chat_server([{"text": "one"}, {"text": "two"}])
    ask(store, "first")
    turn(store, deps(store, server))
    ask(store, "second", 1)
    turn(store, deps(store, server))
    past = [one["content"] for one in bodies(server)[-1]["messages"] if one["role"] == "user"]
    assert "Discord reaction added: 👍 by ann" in past[0]


def test_what_comes_while_it_runs_is_for_the_next(store: Store, chat_server: Start) -> None:
    happen(store, "before")
    rules = [{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "done"}]
    server = chat_server(rules)
    ask(store)
    turn(store, deps(store, server, CountingTool(lambda: happen(store, "meanwhile"))))
    assert all("meanwhile" not in str(body) for body in bodies(server))
    assert waiting(store) == ["meanwhile"]


def test_a_resumed_turn_says_the_same_and_removes_exactly_that(store: Store, chat_server: Start) -> None:
    happen(store, "before")

    class Killed(BaseException):
        """The end of the process."""

    def die() -> None:
        happen(store, "meanwhile")
        raise Killed

    server = chat_server([{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "done"}])
    ask(store)
    grant = take(store)
    with pytest.raises(Killed):
        run_turn(grant, deps(store, server, CountingTool(die)), TurnContext())
    store.lanes.yield_(grant)
    assert isinstance(turn(store, deps(store, server, CountingTool())), Commit)
    assert "before" in str(bodies(server)[-1])
    assert "meanwhile" not in str(bodies(server)[-1])
    assert waiting(store) == ["meanwhile"]


def test_what_no_model_read_waits_on(store: Store, chat_server: Start) -> None:
    happen(store, "before")
    ask(store)
    turn(store, deps(store, chat_server([{"error": {"status": 401}, "times": 9}])))
    assert waiting(store) == ["before"]


def test_a_session_that_begins_anew_does_not_hear_of_the_old(store: Store, chat_server: Start) -> None:
    ask(store, "first")
    server = chat_server([{"text": "one"}, {"text": "two"}])
    turn(store, deps(store, server))
    happen(store, "about the old one")
    ask(store, "second", 1, reset="new")
    turn(store, deps(store, server))
    assert "about the old one" not in str(bodies(server)[-1])
    assert waiting(store) == []


def test_another_conversation_hears_nothing(store: Store, chat_server: Start) -> None:
    happen(store, "elsewhere", key="agent:main:main")
    server = chat_server([{"text": "one"}])
    ask(store)
    turn(store, deps(store, server))
    assert "elsewhere" not in str(bodies(server)[-1])
