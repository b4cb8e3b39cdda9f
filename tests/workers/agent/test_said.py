"""What an agent sends elsewhere is known in the conversation it is read in (``spec/outbound.md`` 2.5)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from config.agents import ModelRef
from shoal.simulator.models import ModelServer
from shoal.state.effects import Push
from shoal.state.steps import Park
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import LANE, deps, record, request, settle, take, turn
from tests.workers.delivery.conftest import PostOffice, discord, post
from workers.agent.context import TurnContext
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolContext, Wait
from workers.agent.turn import run_turn
from workers.delivery.records import decode_send
from workers.delivery.send import deliver
from workers.sessions.keys import session_lane
from workers.sessions.lifecycle import ResetPolicy
from workers.sessions.records import TurnRequest

__all__ = ["discord", "post"]

Start = Callable[..., ModelServer]
HOUR, MINUTE = 3_600_000, 60_000
SECRET = "Ann's secret is 4711; tell the others about the picnic"
NEWS = "There is a picnic on Sunday."


def profile(**changes: Any) -> AgentProfile:
    return AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"), visible_all="automatic", **changes)


class Two:
    """A turn in one channel that writes into another, and the turns there."""

    def __init__(self, post: PostOffice, server: ModelServer, used: TurnDeps) -> None:
        self.post, self.store, self.server, self.used = post, post.store, server, used
        self.key = f"agent:main:discord:channel:{post.channel}"
        self.lane = session_lane(self.key)
        self.store.facts.put_channel("default", {"id": "777", "type": 0, "name": "here"}, "9")
        self.store.facts.put_channel("default", {"id": post.channel, "type": 0, "name": "there"}, "9")

    def ask(self, text: str = SECRET) -> None:
        """The turn in the first channel, up to where it waits for its send."""
        self.store.lanes.push(LANE, record(request(text, authority="owner")))
        assert isinstance(turn(self.store, self.used), Park)

    def there(self, text: str = "when?", number: int = 1, **changes: Any) -> list[dict[str, Any]]:
        """The next turn in the other channel; what its model read besides the instructions."""
        self.push(text, number, **changes)
        grant = take(self.store, self.lane, ttl_ms=60_000)
        settle(self.store, grant, run_turn(grant, self.used, TurnContext()))
        return [one for one in bodies(self.server)[-1]["messages"] if one["role"] != "system"]

    def push(self, text: str, number: int, **changes: Any) -> TurnRequest:
        values = {"channel_id": self.post.channel, "session_key": self.key, **changes}
        wanted = request(text, number, **values)
        self.store.lanes.push(self.lane, record(wanted))
        return wanted


@pytest.fixture
def two(post: PostOffice, chat_server: Start) -> Two:
    send = {"action": "send", "target": f"channel:{post.channel}", "message": NEWS}
    server = chat_server(
        [
            {"tool_calls": [{"name": "message", "arguments": send}]},
            {"text": "b1"},
            {"text": "b2"},
            {"text": "b3"},
        ]
    )
    return Two(post, server, deps(post.store, server, profile=profile()))


def said(messages: list[dict[str, Any]]) -> list[str]:
    return [one["content"] for one in messages if one["role"] == "assistant"]


def test_the_next_turn_there_has_it_as_its_own_words_and_nothing_else(two: Two) -> None:
    two.ask()
    two.post.work()
    assert two.store.lanes.depth(two.lane) == 0  # nobody there is woken
    told, own, asked = two.there()
    assert [told["role"], own["role"], asked["role"]] == ["user", "assistant", "user"]
    assert own["content"] == NEWS
    assert told["content"].startswith("System: [")
    assert told["content"].endswith("You sent the following message here without being asked here.")
    assert "when?" in asked["content"]
    assert "4711" not in str([told, own, asked])  # nor anything else of the other conversation
    later = two.there("who comes?", 2)
    assert said(later) == [NEWS, "b1"]  # in the transcript from now on, once


def test_what_did_not_go_out_was_not_said(two: Two) -> None:
    refused = {"message": "Missing Permissions", "code": 50013}
    two.post.control.fault(
        "status", route="POST /channels/{channel_id}/messages", status=403, body=refused, count=50
    )
    two.ask()
    two.post.work()
    assert said(two.there()) == []


def test_a_worker_killed_before_its_commit_says_it_once(two: Two) -> None:
    two.ask()
    grant = two.post.take()
    deliver(grant, two.post.deps, lambda: None)  # it is on Discord, and nobody has written so
    two.store.lanes.yield_(grant)
    two.post.work()
    assert len(two.post.control.messages(two.post.channel, author="bot")) == 1
    assert said(two.there()) == [NEWS]


def test_a_turn_there_that_is_killed_before_its_commit_keeps_it_once(two: Two) -> None:
    two.ask()
    two.post.work()
    two.push("when?", 1)
    grant = take(two.store, two.lane, ttl_ms=60_000)
    run_turn(grant, two.used, TurnContext())
    two.store.lanes.yield_(grant)
    grant = take(two.store, two.lane, ttl_ms=60_000)
    settle(two.store, grant, run_turn(grant, two.used, TurnContext()))
    assert said(two.there("who?", 2)) == [NEWS, "b1"]


@pytest.mark.parametrize(("reset", "told"), [("", [NEWS]), ("new", [])])
def test_silence_does_not_end_it_but_new_does(two: Two, reset: str, told: list[str]) -> None:
    """An announcement of the morning is asked about in the afternoon."""
    used = profile(reset=ResetPolicy(None, 60_000))
    two.used = replace(two.used, profile=lambda _request: used)
    now = int(time.time() * 1000)
    two.ask()
    assert said(two.there("early", born_ms=now - HOUR)) == []
    two.post.work()
    assert said(two.there("late", 2, born_ms=now + MINUTE, reset=reset)) == told
    assert said(two.there("later", 3, born_ms=now + MINUTE)) == [*told, "b2"]


def test_a_send_to_its_own_conversation_is_no_news(two: Two) -> None:
    context = ToolContext(request("x", authority="owner"), "c", "1", two.store, TurnContext())
    done = MessageTool().run({"message": "here"}, context)
    assert isinstance(done, Wait)
    [push] = [one for one in done.effects if isinstance(one, Push)]
    assert decode_send(push.record.body).said is None
