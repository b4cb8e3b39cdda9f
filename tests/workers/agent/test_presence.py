"""What people see while turns run, on a real store and a real Discord (``spec/inbound.md`` 7.4 to 7.6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from config.agents import ModelRef
from shoal.base.ids import new_token
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from shoal.state.effects import Push
from shoal.state.records import Grant, Refused
from shoal.state.steps import Commit, Park
from shoal.state.store import Store
from tests.workers.agent.support.turns import (
    DELIVERY,
    CountingTool,
    deliver,
    deps,
    record,
    request,
    settle,
)
from tests.workers.delivery.reacting import Reacting
from workers.agent.context import TurnContext
from workers.agent.presence import Presences
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.shown import ShownSettings, typing_mode
from workers.agent.turn import run_turn
from workers.delivery.reactions import StatusSettings
from workers.delivery.settling import settle as settle_reactions
from workers.sessions.admission.reactions import reaction_lane
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]
TYPING = "POST /channels/{channel_id}/typing"
STATUS = StatusSettings(
    {"thinking": "🤔", "tool": "🔥", "coding": "👨‍💻", "web": "⚡", "done": "👍", "error": "😱"},
    debounce_s=0.0,
    done_hold_s=0.2,
    error_hold_s=0.2,
)


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


class Stage(Reacting):
    """A channel in which turns run; :meth:`turn` works its lanes off."""

    def __init__(self, store: Store, discord: Simulator) -> None:
        super().__init__(store, discord)
        self.store = store
        self.lane = f"session:agent:main:discord:channel:{self.channel}"
        self.presences = Presences(lambda _account: self.rest, lambda _account: self.rest)
        self.contexts: list[TurnContext] = []

    def ask(self, text: str = "please", **changes: Any) -> TurnRequest:
        """Push a message that names the bot."""
        wanted = request(
            text,
            **{
                "channel_id": self.channel,
                "message_id": self.message,
                "session_key": f"agent:main:discord:channel:{self.channel}",
                "mentioned_by": "explicit",
                "mention_required": True,
                "ack": "👀",
                **changes,
            },
        )
        scope = f"default|{self.channel}|guest"
        self.store.lanes.push(self.lane, replace(record(wanted), scope=scope))
        return wanted

    def deps(self, server: ModelServer | None, *tools: Any, **shown: Any) -> TurnDeps:
        profile = AgentProfile(
            "main",
            "Shoal",
            primary=ModelRef("local", "m1") if server else None,
            visible_all="automatic",
            shown=ShownSettings(**{"typing_interval_s": 0.05, **shown}),
        )
        return replace(deps(self.store, server, *tools, profile=profile), presences=self.presences)

    def take(self) -> Grant:
        grant = self.store.lanes.acquire(self.lane, new_token())
        assert isinstance(grant, Grant), grant
        return grant

    def turn(self, used: TurnDeps) -> Commit | Park:
        """One grant's worth of the lane."""
        grant = self.take()
        context = TurnContext()
        self.contexts.append(context)
        step = run_turn(grant, used, context)
        settle(self.store, grant, step)
        assert isinstance(step, Commit | Park), step
        return step

    def drive(self, used: TurnDeps) -> Commit:
        """Until the turn is over; what it sends is delivered meanwhile."""
        for _ in range(50):
            grant = self.store.lanes.acquire(self.lane, new_token())
            if isinstance(grant, Refused):
                deliver(self.store, lane=f"delivery:default:{self.channel}")
                time.sleep(0.02)
                continue
            step = run_turn(grant, used, TurnContext())
            settle(self.store, grant, step)
            if isinstance(step, Commit):
                return step
        raise AssertionError("the turn does not end")

    def settle(self) -> list[str]:
        """Work off the reaction lane of the message; the summaries."""
        lane, said = reaction_lane("default", self.message), []
        deadline = time.monotonic() + 10
        while self.store.lanes.depth(lane):
            assert time.monotonic() < deadline, said
            grant = self.store.lanes.acquire(lane, new_token())
            if isinstance(grant, Refused):
                time.sleep(0.02)
                continue
            step = settle_reactions(grant, self.store, lambda _account: self.rest)
            said.append(getattr(step, "summary", ""))
            settle(self.store, grant, step)
        return said

    def typings(self) -> int:
        return sum(1 for one in self.control.requests(route=TYPING) if self.channel in one["path"])


@pytest.fixture
def stage(store: Store, discord: Simulator) -> Iterator[Stage]:
    made = Stage(store, discord)
    yield made
    made.transport.close()


def test_a_turn_acknowledges_and_types_while_it_runs(stage: Stage, chat_server: Start) -> None:
    stage.ask()
    stage.turn(stage.deps(chat_server([{"text": ["Hello ", "Ann."], "delay": 0.3}])))
    assert stage.typings() >= 2
    stage.wait("👀")
    after = stage.typings()
    assert stage.steady()
    assert stage.typings() <= after + 1, "sealed with the turn"
    assert stage.settle() == [], "without removal or states the acknowledgement simply stays"


@pytest.mark.parametrize(
    ("changes", "written", "expected"),
    [
        ({"mentioned_by": "explicit"}, None, "instant"),
        ({"mentioned_by": ""}, None, "message"),
        ({"chat_type": "direct", "mentioned_by": ""}, None, "instant"),
        ({"mentioned_by": ""}, "thinking", "thinking"),
        ({}, "never", "never"),
        ({"origin": "heartbeat", "chat_type": "direct"}, "instant", "never"),
        ({"origin": "event"}, None, "never"),
        ({"origin": "cron"}, None, "never"),
        ({"origin": "command"}, None, "instant"),
    ],
)
def test_the_mode_of_typing(changes: dict[str, Any], written: Any, expected: str) -> None:
    wanted = request(**{"mentioned_by": "explicit", **changes})
    assert typing_mode(wanted, written) == expected


@pytest.mark.parametrize(
    ("answer", "mode", "types"),
    [
        ({"text": ["Hello there, ", "Ann."], "chunk_delay": 0.2}, "message", True),
        ({"text": ["NO_", "REPLY"], "chunk_delay": 0.2}, "message", False),
        ({"reasoning": ["hm ", "hm"], "text": ["NO_REPLY"], "chunk_delay": 0.2}, "thinking", True),
        ({"text": ["NO_", "REPLY"], "chunk_delay": 0.2}, "thinking", False),
    ],
)
def test_what_may_still_be_silence_types_nothing(
    stage: Stage, chat_server: Start, answer: dict[str, Any], mode: Any, types: bool
) -> None:
    stage.ask(mentioned_by="", ack="")
    stage.turn(stage.deps(chat_server([answer]), typing_mode=mode))
    stage.steady(0.2)
    assert bool(stage.typings()) is types


def test_a_tool_types_in_every_mode_but_never(stage: Stage, chat_server: Start) -> None:
    rules = [{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "NO_REPLY"}]
    stage.ask(mentioned_by="", ack="")
    stage.turn(stage.deps(chat_server(rules), CountingTool(lambda: time.sleep(0.2)), typing_mode="message"))
    assert stage.typings() >= 1


def test_nothing_is_typed_where_nothing_may_be_sent(stage: Stage, chat_server: Start) -> None:
    from config.schema.session import SendPolicy

    wanted = stage.ask()
    used = stage.deps(chat_server([{"text": "Hi", "delay": 0.2}]), send_policy=SendPolicy(default="deny"))
    stage.turn(used)
    assert stage.typings() == 0
    assert deliver(stage.store, lane=f"delivery:default:{stage.channel}") == []
    told = stage.store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert told.reason == "send-denied"
    stage.wait("👀")


def test_a_turn_that_lost_its_lane_types_no_more(stage: Stage, chat_server: Start) -> None:
    """A frozen holder that wakes up shows nothing: its own clock says that the lease is over."""
    context = TurnContext(lease_s=0.1)
    stage.ask()
    server = chat_server([{"text": "late", "delay": 1.5}])
    grant = stage.take()
    stage.store.lanes.renew({grant.lane: grant.token}, ttl_ms=60_000)
    grant = replace(grant, ttl_ms=1_300)
    with pytest.raises(Exception, match="lease"):
        run_turn(grant, stage.deps(server), context)
    seen = stage.typings()
    assert stage.steady()
    assert stage.typings() == seen
    assert not context.alive()


# -- removal and states ---------------------------------------------------------------------------------


def test_the_acknowledgement_goes_after_the_delivered_reply(stage: Stage, chat_server: Start) -> None:
    stage.ask()
    stage.turn(stage.deps(chat_server([{"text": "Hello", "delay": 0.2}]), remove_ack=True))
    stage.wait("👀")
    lane = reaction_lane("default", stage.message)
    grant = stage.store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    step = settle_reactions(grant, stage.store, lambda _account: stage.rest)
    assert isinstance(step, Park), "the reply waits in its lane"
    settle(stage.store, grant, step)
    deliver(stage.store, lane=f"delivery:default:{stage.channel}")
    assert stage.settle() == ["settled · acks removed"]
    assert stage.ours() == []


def test_without_a_visible_reply_it_stays(stage: Stage, chat_server: Start) -> None:
    stage.ask()
    stage.turn(stage.deps(chat_server([{"text": "NO_REPLY", "delay": 0.1}]), remove_ack=True))
    assert stage.settle() == []
    assert stage.ours() == ["👀"]


def test_a_reply_by_the_tool_counts(stage: Stage, chat_server: Start) -> None:
    rules = [
        {"tool_calls": [{"name": "message", "arguments": {"action": "send", "message": "By hand."}}]},
        {"text": "NO_REPLY"},
    ]
    stage.ask()
    stage.drive(stage.deps(chat_server(rules), remove_ack=True))
    assert stage.settle() == ["settled · acks removed"]
    assert stage.ours() == []


def test_states_end_with_the_turn_and_the_acknowledgement_comes_back(
    stage: Stage, chat_server: Start
) -> None:
    rules = [
        {"tool_calls": [{"name": "count", "arguments": {}}], "delay": 0.3},
        {"text": "Done.", "delay": 0.3},
    ]
    stage.ask()
    tool = CountingTool(lambda: stage.wait("🔥"))
    stage.turn(stage.deps(chat_server(rules), tool, status=STATUS))
    assert stage.settle() == ["shown: last state", "settled"]
    assert stage.ours() == ["👀"]
    put = [emoji for method, emoji in stage.done() if method == "PUT"]
    assert put == ["👀", "🤔", "🔥", "🤔", "👍", "👀"]


def test_an_error_is_shown_as_one(stage: Stage, chat_server: Start) -> None:
    stage.ask()
    server = chat_server([{"error": {"status": 401}, "times": 9, "delay": 0.2}])
    stage.turn(stage.deps(server, status=STATUS))
    stage.settle()
    put = [emoji for method, emoji in stage.done() if method == "PUT"]
    assert put[-2:] == ["😱", "👀"]
    assert stage.ours() == ["👀"]


def test_states_are_shown_only_with_an_acknowledgement(stage: Stage, chat_server: Start) -> None:
    stage.ask(ack="")
    stage.turn(stage.deps(chat_server([{"text": "Hi", "delay": 0.2}]), status=STATUS))
    assert stage.asked() == []


def test_a_killed_worker_leaves_at_most_the_acknowledgement(stage: Stage, chat_server: Start) -> None:
    """The successor goes on from the journal and finds what is on the message."""
    rules = [
        {"tool_calls": [{"name": "count", "arguments": {}}]},
        {"text": "Done.", "delay": 0.3},
    ]
    server = chat_server(rules)

    class Killed(BaseException):
        """The end of the process."""

    def die() -> None:
        stage.wait("🔥")
        raise Killed

    stage.ask()
    grant = stage.take()
    with pytest.raises(Killed):
        run_turn(grant, stage.deps(server, CountingTool(die), status=STATUS), TurnContext())
    stage.store.lanes.yield_(grant)
    assert stage.ours() == ["🔥"]
    stage.presences = Presences(lambda _account: stage.rest, lambda _account: stage.rest)
    stage.turn(stage.deps(server, CountingTool(), status=STATUS))
    stage.settle()
    assert stage.ours() == ["👀"]


def test_a_stop_while_it_waits_leaves_no_state(stage: Stage, chat_server: Start) -> None:
    rules = [
        {"tool_calls": [{"name": "message", "arguments": {"action": "send", "message": "x"}}], "delay": 0.2}
    ]
    wanted = stage.ask()
    step = stage.turn(stage.deps(chat_server(rules), status=STATUS))
    assert isinstance(step, Park)
    stage.wait_until(lambda: stage.steady(0.1))
    stage.store.lanes.stop(stage.lane, wanted.born_ms or 1 << 45)
    deliver(stage.store, lane=f"delivery:default:{stage.channel}")
    stage.drive(stage.deps(None, status=STATUS))
    stage.settle()
    assert stage.ours() == ["👀"]


def test_messages_that_join_are_acknowledged_and_cleared_with_the_first(
    stage: Stage, chat_server: Start
) -> None:
    second = stage.say("and blue")
    rules = [{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "Blue it is.", "delay": 0.2}]
    stage.ask("paint it")
    tool = CountingTool(lambda: stage.ask("and blue", message_id=second))  # type: ignore[arg-type, return-value]
    stage.turn(stage.deps(chat_server(rules), tool, remove_ack=True))
    stage.wait("👀", message=second)
    deliver(stage.store, lane=f"delivery:default:{stage.channel}")
    stage.settle()
    assert (stage.ours(), stage.ours(second)) == ([], [])


def test_the_same_end_is_pushed_once(stage: Stage, chat_server: Start) -> None:
    stage.ask()
    step = stage.turn(stage.deps(chat_server([{"text": "Hello", "delay": 0.1}]), status=STATUS))
    assert isinstance(step, Commit)
    pushes = [effect for effect in step.effects if isinstance(effect, Push) and "reaction:" in effect.lane]
    assert len(pushes) == 1
    assert DELIVERY  # the answer itself goes its own way
