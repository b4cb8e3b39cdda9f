"""The hint about private answers: once for each channel, to the owner (``spec/inbound.md`` 10 row 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from config.agents import ModelRef
from config.schema.messages import MessagesConfig
from shoal.simulator.models import ModelServer
from shoal.state.store import Store
from tests.workers.agent.support.turns import LANE, deliver, deps, drive, note, record, request
from workers.agent.hints import UNSEEN, silence_finding, silence_hint
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps

Start = Callable[..., ModelServer]
OWNER_DM = "delivery:default:4242"
PRIVATE = AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"))
BY_HAND = {"tool_calls": [{"name": "message", "arguments": {"action": "send", "message": "By hand."}}]}


def used(
    store: Store, server: ModelServer, dm: str | None = "4242", language: Any = "en", **profile: Any
) -> TurnDeps:
    made = deps(store, server, profile=replace(PRIVATE, **profile))
    return replace(made, hint=lambda wanted: silence_hint(store, wanted, lambda _account: dm, language))


def ask(store: Store, number: int = 0, **changes: Any) -> None:
    store.lanes.push(LANE, record(request("hi", number, **{"mentioned_by": "explicit", **changes})))


def hints(store: Store) -> list[str]:
    return [send.text for send in deliver(store, lane=OWNER_DM)]


def test_the_owner_reads_it_once_for_each_channel(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "private words", "times": 9}])
    for number in range(3):
        ask(store, number)
        drive(store, used(store, server))
    [text] = hints(store)
    assert 'messages.groupChat.visibleReplies: "automatic"' in text
    assert "<#777>" in text
    assert "private words" not in text
    assert store.ledger.counted("default", UNSEEN) == 3
    assert store.ledger.told("default") == {"silence.777": "dm"}


def test_a_thread_counts_as_its_channel(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "private", "times": 9}])
    ask(store)
    drive(store, used(store, server))
    ask(store, 1, parent_id="777", channel_id="778", is_thread=True)
    drive(store, used(store, server))
    assert len(hints(store)) == 1


def test_in_the_owners_language(store: Store, chat_server: Start) -> None:
    ask(store)
    drive(store, used(store, chat_server([{"text": "x"}]), language="zh"))
    [text] = hints(store)
    assert "私密" in text


def test_without_an_owner_it_is_remembered_for_status(store: Store, chat_server: Start) -> None:
    ask(store)
    drive(store, used(store, chat_server([{"text": "x"}]), dm=None))
    assert hints(store) == []
    assert store.ledger.told("default") == {"silence.777": "log"}


def test_an_owner_who_comes_later_is_told_then(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "private words", "times": 9}])
    for number, dm in enumerate([None, None, "4242", "4242", None]):
        ask(store, number)
        drive(store, used(store, server, dm=dm))
    assert len(hints(store)) == 1
    assert store.ledger.told("default") == {"silence.777": "dm"}


@pytest.mark.parametrize(
    ("changes", "profile", "rules"),
    [
        ({"mentioned_by": ""}, {}, [{"text": "private"}]),
        ({"mentioned_by": "mass"}, {}, [{"text": "private"}]),
        ({}, {"visible_group": "automatic"}, [{"text": "shown"}]),
        ({}, {}, [{"text": "NO_REPLY"}]),
        ({}, {}, [BY_HAND, {"text": "private"}]),
    ],
)
def test_nobody_is_told_where_nothing_is_missing(
    store: Store, chat_server: Start, changes: dict[str, Any], profile: dict[str, Any], rules: Any
) -> None:
    ask(store, **changes)
    drive(store, used(store, chat_server(rules), **profile))
    assert hints(store) == []
    assert store.ledger.told("default") == {}


def test_the_turn_log_says_what_happened(store: Store, chat_server: Start) -> None:
    """Decision 39: tokens in and out, didSendViaMessagingTool, the length of the private final."""
    wanted = request("hi", mentioned_by="explicit")
    store.lanes.push(LANE, record(wanted))
    drive(store, used(store, chat_server([{"text": "private words", "usage": [12, 34]}])))
    facts = note(store, wanted)
    assert (facts["in"], facts["out"], facts["didSendViaMessagingTool"]) == (12, 34, False)
    assert (facts["silent"], facts["length"]) == ("private-final", len("private words"))


@pytest.mark.parametrize(
    ("messages", "unseen", "found"),
    [
        ({}, 0, False),
        ({}, 1, True),
        ({"visibleReplies": "automatic"}, 5, False),
        ({"groupChat": {"visibleReplies": "automatic"}}, 5, False),
        ({"groupChat": {"visibleReplies": "message_tool"}, "visibleReplies": "automatic"}, 5, True),
    ],
)
def test_the_finding_for_doctor(messages: dict[str, Any], unseen: int, found: bool) -> None:
    finding = silence_finding(MessagesConfig.model_validate(messages), unseen)
    assert (finding is not None) is found
    if finding is not None:
        assert "messages.groupChat.visibleReplies" in finding.fix
