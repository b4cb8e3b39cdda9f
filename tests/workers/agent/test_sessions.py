"""Which transcript a turn goes on with, and what it leaves in the session (``spec/inbound.md`` 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from config.agents import ModelRef
from shoal.simulator.models import ModelServer
from shoal.state.effects import SessionPut
from shoal.state.records import Record
from shoal.state.steps import Commit
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import LANE, deliver, deps, record, request, settle, take, turn
from workers.agent.context import TurnContext
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.turn import run_turn
from workers.sessions.lifecycle import ResetPolicy
from workers.sessions.records import TurnRequest
from workers.sessions.system_events import QueuedEvent, pending_events, queue_event

Start = Callable[..., ModelServer]
DAY = 86_400_000


def profile(**changes: Any) -> AgentProfile:
    return AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"), visible_all="automatic", **changes)


def push(store: Store, wanted: TurnRequest, mode: str = "steer") -> TurnRequest:
    store.lanes.push(LANE, record(wanted, mode))
    return wanted


def fields(store: Store, key: str = "agent:main:discord:channel:777") -> dict[str, str]:
    return {name: value.decode() for name, value in store.sessions.get(key).items()}


def roles(server: ModelServer) -> list[str]:
    return [message["role"] for message in bodies(server)[-1]["messages"]]


def test_a_bare_new_begins_a_transcript_and_asks_no_model(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "first"}, {"text": "second"}])
    used = deps(store, server, profile=profile())
    push(store, request("one", born_ms=DAY))
    turn(store, used)
    old = fields(store)["session_id"]
    wanted = push(store, request("", 1, reset="new", born_ms=DAY + 1))
    result = turn(store, used)
    assert isinstance(result, Commit)
    assert result.summary == "command · new"
    assert deliver(store)[-1].text == "✅ New session started."
    told = store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert (str(told.outcome), told.reason) == ("command", "new")
    now = fields(store)
    assert (now["previous_session_id"], now["began"], now["turns"]) == (old, "command", "0")
    push(store, request("two", 2, born_ms=DAY + 2))
    turn(store, used)
    assert roles(server) == ["system", "user"]
    assert fields(store)["session_id"] == now["session_id"]
    assert len(store.sessions.transcript(old)) == 2  # the old one stays
    assert len(bodies(server)) == 2


def test_a_bare_new_names_the_model_that_was_chosen(store: Store, chat_server: Start) -> None:
    """8.3: what is chosen at admission is in the session's record before the turn begins."""
    used = deps(store, chat_server([]), profile=profile())
    key = request().session_key
    store.lanes.push(LANE, Record("chosen", "turn", b"{}"))
    store.lanes.commit(take(store, LANE), [SessionPut(key, {"model_override": "local/m2"})])
    push(store, request("", 1, reset="new", born_ms=DAY))
    turn(store, used)
    assert deliver(store)[-1].text == "✅ New session started · model local/m2"


def test_new_with_a_message_answers_it_without_memory(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "first"}, {"text": "second"}])
    used = deps(store, server, profile=profile())
    push(store, request("one", born_ms=DAY))
    turn(store, used)
    wanted = push(store, request("two", 1, reset="new", born_ms=DAY + 1))
    turn(store, used)
    assert roles(server) == ["system", "user"]
    deliver(store)
    told = store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert str(told.outcome) == "answered"
    assert fields(store)["turns"] == "1"


def test_an_idle_conversation_starts_afresh(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "a"}, {"text": "b"}, {"text": "c"}])
    used = deps(store, server, profile=profile(reset=ResetPolicy(None, 60_000)))
    for number, born in enumerate((DAY, DAY + 60_000, DAY + 120_001)):
        push(store, request("hi", number, born_ms=born))
        turn(store, used)
        assert fields(store)["last_ms"] == str(born)
    assert [len(body["messages"]) for body in bodies(server)] == [2, 4, 2]
    assert fields(store)["began"] == "idle"


def test_what_the_system_writes_does_not_refresh_idle(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "a"}, {"text": "b"}])
    used = deps(store, server, profile=profile(reset=ResetPolicy(None, 60_000)))
    push(store, request("hi", born_ms=DAY))
    turn(store, used)
    grant_lane = "session:agent:main:discord:channel:778"
    store.lanes.push(grant_lane, record(request("x")))
    grant = take(store, grant_lane)
    store.lanes.commit(grant, [SessionPut("agent:main:discord:channel:777", {"activation": "always"})])
    push(store, request("hi", 1, born_ms=DAY + 60_001))
    turn(store, used)
    assert fields(store)["began"] == "idle"
    assert fields(store)["activation"] == "always"


def test_a_rolled_session_forgets_what_the_system_had_to_tell(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "a"}, {"text": "b"}])
    used = deps(store, server, profile=profile(reset=ResetPolicy(None, 60_000)))
    wanted = push(store, request("hi", born_ms=DAY))
    turn(store, used)
    store.lanes.push("session:agent:main:x", record(request("x")))
    event = QueuedEvent("e1", "Discord reaction added: 👍", DAY)
    store.lanes.commit(take(store, "session:agent:main:x"), [queue_event(wanted.session_key, event)])
    assert pending_events(store.sessions, wanted.session_key) == [event]
    push(store, request("hi", 1, born_ms=DAY + 60_001))
    turn(store, used)
    assert pending_events(store.sessions, wanted.session_key) == []


def test_only_the_owner_of_a_shared_session_moves_its_route(store: Store, chat_server: Start) -> None:
    """``spec/inbound.md`` 3.9, 5.3, decision 38: answers go where the message came from all the same."""
    server = chat_server([{"text": "for ann"}, {"text": "for bob"}])
    used = deps(store, server, profile=profile())
    direct = {"chat_type": "direct", "guild_id": None, "session_key": "agent:main:main"}
    ann = request("hi", author_id="101", channel_id="701", **direct)
    bob = request("hi", 1, author_id="102", channel_id="702", updates_route=False, **direct)
    lane = "session:agent:main:main"
    for wanted in (ann, bob):
        scope = f"default|{wanted.channel_id}|guest"
        store.lanes.push(lane, replace(record(wanted), scope=scope))
    _run(store, used, lane)
    assert [send.text for send in deliver(store, lane="delivery:default:701")] == ["for ann"]
    _run(store, used, lane)
    assert [send.text for send in deliver(store, lane="delivery:default:702")] == ["for bob"]
    known = fields(store, "agent:main:main")
    assert (known["route_to"], known["route_account"], known["last_author_id"]) == (
        "user:101",
        "default",
        "102",
    )


def _run(store: Store, used: TurnDeps, lane: str) -> None:
    grant = take(store, lane)
    settle(store, grant, run_turn(grant, used, TurnContext()))


@pytest.mark.parametrize("chat_type", ["channel", "direct"])
def test_a_conversation_of_a_coding_agent_gets_one_clear_notice(
    store: Store, chat_server: Start, chat_type: str
) -> None:
    """Decision 49: never an ordinary agent's answer, in rooms neither."""
    server = chat_server([{"text": "an ordinary answer"}])
    used = deps(store, server, profile=profile())
    wanted = push(store, request("write a program", coding=True, chat_type=chat_type))
    turn(store, used)
    [notice] = deliver(store)
    assert notice.text == "This conversation belongs to a coding agent (ACP), which I cannot run yet."
    assert bodies(server) == []
    told = store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert (str(told.outcome), told.reason) == ("answered", "acp")
