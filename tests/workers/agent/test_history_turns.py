"""What a turn is shown of before: pending history, replies to it, limits of DMs (inbound 6.8, 6.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from config.agents import ModelRef
from shoal.simulator.models import ModelServer
from shoal.state.store import Store
from tests.workers.agent.support.prompts import HEADINGS, parse
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import LANE, deliver, deps, drive, message_id, record, request, turn
from workers.access.entries import AllowList
from workers.access.visibility import ContextFilter
from workers.agent.profile import AgentProfile
from workers.sessions.history import HistoryEntry, history_id
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]
PROFILE = AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"), visible_all="automatic")
DIRECT: dict[str, Any] = {"chat_type": "direct", "guild_id": None, "session_key": "agent:main:main"}


def said(store: Store, *entries: HistoryEntry) -> None:
    store.redis.rpush(
        store.keys.transcript(history_id("default", "777")),
        *(msgspec.json.encode(entry) for entry in entries),
    )


def ask(store: Store, server: ModelServer, profile: AgentProfile = PROFILE, **wanted: Any) -> dict[str, Any]:
    """The blocks of one turn's prompt."""
    store.lanes.push(LANE, record(request(**wanted)))
    turn(store, deps(store, server, profile=profile))
    return dict(parse(bodies(server)[-1]["messages"][-1]["content"]).blocks)


def people(*names: str) -> list[HistoryEntry]:
    return [
        HistoryEntry(str(number), name, name, number, f"words of {name}")
        for number, name in enumerate(names, 100)
    ]


def test_the_newest_are_shown_and_the_rest_is_counted_as_missing(store: Store, chat_server: Start) -> None:
    said(store, *people("a", "b", "c"))
    found = ask(store, chat_server([{"text": "ok"}]), replace(PROFILE, history_limit=2))
    assert [entry["sender"] for entry in found[HEADINGS[6]]] == ["b", "c"]
    assert found[HEADINGS[0]]["history_count"] == 2
    assert found[HEADINGS[0]]["history_truncated"] is True


def test_a_limit_of_zero_shows_nothing(store: Store, chat_server: Start) -> None:
    said(store, *people("a"))
    assert HEADINGS[6] not in ask(store, chat_server([{"text": "ok"}]), replace(PROFILE, history_limit=0))


def test_what_was_said_after_the_trigger_is_for_the_next_turn(store: Store, chat_server: Start) -> None:
    """R21: the turn carries the range it may see, and clears no more than that."""
    later = HistoryEntry(message_id(10_000 << 22), "later", "later", 1, "words of later")
    said(store, *people("a"), later)
    server = chat_server([{"text": "one"}, {"text": "two"}])
    assert [entry["sender"] for entry in ask(store, server)[HEADINGS[6]]] == ["a"]
    assert [entry["sender"] for entry in ask(store, server, number=20_000 << 22)[HEADINGS[6]]] == ["later"]


def test_a_silent_answer_clears_what_was_shown(store: Store, chat_server: Start) -> None:
    said(store, *people("a"))
    server = chat_server([{"text": "NO_REPLY"}, {"text": "two"}])
    assert HEADINGS[6] in ask(store, server)
    assert HEADINGS[6] not in ask(store, server, number=1)


def test_an_author_the_lists_would_not_let_in_is_not_quoted(store: Store, chat_server: Start) -> None:
    """6.9, with the roles the author had when it was said."""
    helper = HistoryEntry("103", "d", "d", 1, "words of d", roles=("7",))
    said(store, *people("1", "2", "3"), helper)
    context = ContextFilter("allowlist", AllowList.parse(["1"]), frozenset({"7"}))
    found = ask(store, chat_server([{"text": "ok"}]), replace(PROFILE, context=context))
    assert [entry["sender"] for entry in found[HEADINGS[6]]] == ["1", "d"]


def test_an_entry_that_cannot_be_read_costs_itself_alone(store: Store, chat_server: Start) -> None:
    said(store, *people("a"))
    store.redis.rpush(store.keys.transcript(history_id("default", "777")), b"{", b'{"message_id": "x"}')
    assert [entry["sender"] for entry in ask(store, chat_server([{"text": "ok"}]))[HEADINGS[6]]] == ["a"]


def test_the_model_can_answer_any_entry_by_tool_and_by_tag(store: Store, chat_server: Start) -> None:
    """Decision 29: entries carry their ids."""
    said(store, HistoryEntry("1457536551830421000", "a", "a", 1, "words"))
    call = {"name": "message", "arguments": {"message": "hi", "replyTo": "1457536551830421000"}}
    server = chat_server([{"tool_calls": [call]}, {"text": "[[reply_to: 1457536551830421000]] and more"}])
    store.lanes.push(LANE, record(request()))
    drive(store, deps(store, server, profile=PROFILE), sent := [])
    deliver(store, sent)
    assert [(send.text, send.reply_to) for send in sent] == [
        ("hi", "1457536551830421000"),
        ("and more", "1457536551830421000"),
    ]


def test_a_tag_in_the_text_of_a_send_names_what_it_answers(store: Store, chat_server: Start) -> None:
    call = {"name": "message", "arguments": {"message": "[[reply_to_current]] hi\n[message_id: 5]"}}
    server = chat_server([{"tool_calls": [call]}, {"text": "NO_REPLY"}])
    wanted = request()
    store.lanes.push(LANE, record(wanted))
    drive(store, deps(store, server, profile=PROFILE), sent := [])
    assert [(send.text, send.reply_to) for send in sent] == [("hi", wanted.message_id)]


def test_a_send_of_nothing_but_metadata_sends_nothing_and_the_model_is_told(
    store: Store, chat_server: Start
) -> None:
    call = {"name": "message", "arguments": {"message": "[from: Ann user id:42]\n[message_id: 5]"}}
    server = chat_server([{"tool_calls": [call]}, {"text": "NO_REPLY"}])
    store.lanes.push(LANE, record(request()))
    drive(store, deps(store, server, profile=PROFILE), sent := [])
    assert sent == []
    assert "Nothing was sent" in bodies(server)[-1]["messages"][-1]["content"]


def test_dm_limits_count_by_who_writes_in_a_shared_session(store: Store, chat_server: Start) -> None:
    """6.8, decision 30: with ``dmScope: main`` the key names nobody."""
    server = chat_server([{"text": f"answer {number}"} for number in range(9)])
    limits = {"42": 1, "43": None}

    def profile(wanted: TurnRequest) -> AgentProfile:
        return replace(PROFILE, history_turns=limits[wanted.author_id])

    used = replace(deps(store, server, profile=PROFILE), profile=profile)
    for number, author in enumerate(["42", "42", "42", "43"]):
        wanted = request(f"text {number}", number, **{**DIRECT, "author_id": author})
        store.lanes.push(LANE, record(wanted))
        turn(store, used)
    seen = [[message["role"] for message in body["messages"]].count("user") for body in bodies(server)]
    assert seen == [1, 2, 2, 4]
    assert "text 1" in bodies(server)[2]["messages"][1]["content"]
