"""Sends of the message tool, read aloud (``messages.tts``; ``spec/outbound.md`` 3.15.7, 3.17)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shoal.simulator.models import ModelServer
from shoal.state.effects import Push
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import request
from tests.workers.agent.test_aloud import ANSWER, VOICE, ask, texts, used, voices
from workers.agent.context import TurnContext
from workers.agent.results import TurnDeps
from workers.agent.tools.message import MessageTool
from workers.agent.tools.read_aloud import ReadAloud
from workers.agent.tools.registry import ToolContext, ToolRegistry, Wait
from workers.delivery.records import SendRequest, decode_send

__all__ = ["used", "voices"]

Start = Callable[..., ModelServer]
Make = Callable[..., TurnDeps]


@pytest.fixture(autouse=True)
def as_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings stay as they are: how they are converted is tested elsewhere."""
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture
def sends(used: Make) -> Make:
    """Turn dependencies of an agent whose message tool is heard."""

    def make(server: ModelServer, **more: Any) -> TurnDeps:
        made = used(server, **more)
        assert made.voices is not None
        aloud = ReadAloud(made.profile, made.voices, made.models)
        return replace(made, tools=ToolRegistry.of([MessageTool(aloud=aloud)]))

    return make


def said(store: Store, made: TurnDeps, **changes: Any) -> list[SendRequest]:
    return ask(store, made, **changes)[1]


def rules(message: str = ANSWER, **arguments: Any) -> list[dict[str, Any]]:
    values = {"action": "send", "message": message, **arguments}
    return [{"tool_calls": [{"name": "message", "arguments": values}]}, {"text": "Private words of mine."}]


def test_in_a_room_whose_finals_are_private_its_send_is_the_answer(
    store: Store, chat_server: Start, sends: Make
) -> None:
    server = chat_server(rules(f"[[tts:voice=ash]]{ANSWER}"))
    [send] = said(store, sends(server, visible="message_tool"))
    assert (send.text, send.spoken, send.read_aloud, len(send.files)) == (ANSWER, ANSWER, True, 1)
    assert texts(server) == [ANSWER]
    assert [body["voice"] for body in bodies(server) if "voice" in body] == ["ash"]


@pytest.mark.parametrize(
    ("more", "heard"),
    [({}, ["Private words of mine."]), ({"every": True}, [ANSWER, "Private words of mine."])],
)
def test_where_finals_are_shown_it_is_heard_with_mode_all(
    store: Store, chat_server: Start, sends: Make, more: dict[str, Any], heard: list[str]
) -> None:
    server = chat_server(rules())
    assert len(said(store, sends(server, **more))) == 2
    assert texts(server) == heard


@pytest.mark.parametrize(
    ("arguments", "speech", "files"),
    [
        ({}, {"auto": "inbound"}, ()),
        ({}, {"auto": "tagged"}, ()),
        ({}, {"auto": "off"}, (VOICE,)),
        ({"target": "channel:778"}, {}, ()),
        ({"embeds": [{"title": "x"}]}, {}, ()),
        ({"message": "Hi."}, {}, ()),
    ],
)
def test_what_is_not_heard(
    store: Store, chat_server: Start, sends: Make, arguments: dict[str, Any], speech: Any, files: Any
) -> None:
    server = chat_server(rules(**arguments))
    said(store, sends(server, visible="message_tool", **speech), attachments=files)
    assert texts(server) == []


def test_its_words_for_the_ear_alone(store: Store, chat_server: Start, sends: Make) -> None:
    server = chat_server(rules("[[tts:text]]Hear me, Ann![[/tts:text]]"))
    [send] = said(store, sends(server, visible="message_tool"))
    assert (send.text, send.spoken, send.read_aloud) == ("", "Hear me, Ann!", False)


def test_the_model_reads_why_it_is_not_heard(store: Store, chat_server: Start, sends: Make) -> None:
    """And the words that were for the ear alone are read."""
    script = rules("[[tts:text]]Hear me, Ann![[/tts:text]]")
    server = chat_server([*script, {"speech": True, "error": {"status": 401}}])
    [send] = said(store, sends(server, visible="message_tool"))
    assert (send.text, send.files) == ("Hear me, Ann!", ())
    told = str([body for body in bodies(server) if "messages" in body][-1]["messages"][-1]["content"])
    assert "It is not read aloud: local/tts-x answered 401" in told


def test_elsewhere_they_are_read_too(store: Store, chat_server: Start, sends: Make) -> None:
    """Nobody is asked to say them there."""
    server = chat_server([])
    [tool] = sends(server, visible="message_tool").tools.tools.values()
    wanted = {"message": "[[tts:text]]Hear me, Ann![[/tts:text]]", "target": "channel:88888"}
    store.facts.put_channel("default", {"id": "88888", "type": 0, "name": "there"}, "9")
    owner = request(authority="owner")
    waiting = tool.run(wanted, ToolContext(owner, "msg:default:1", "t1", store, TurnContext()))
    assert isinstance(waiting, Wait)
    [push] = waiting.effects
    assert isinstance(push, Push)
    assert decode_send(push.record.body).text.endswith("Hear me, Ann!")
    assert texts(server) == []
