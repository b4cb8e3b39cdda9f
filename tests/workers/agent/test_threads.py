"""Threads of a turn: made, found, inherited from (``spec/inbound.md`` 5.6, 5.7, rule R22)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from config.agents import ModelRef
from shoal.base.errors import ShoalError
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import RetryPolicy
from shoal.discord.transport import Transport
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from shoal.state.effects import SessionPut, Transcript
from shoal.state.records import Record
from shoal.state.steps import Commit
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import deliver, deps, record, request, settle, take
from workers.access.entries import AllowList
from workers.access.visibility import ContextFilter
from workers.agent.context import TurnContext
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.threads import DiscordThreads
from workers.agent.titles import clean_title, find_title
from workers.agent.transcript import Line, encode_line
from workers.agent.turn import run_turn
from workers.sessions.keys import channel_key, session_lane
from workers.sessions.records import AutoThread, ToolLimits, TurnRequest, encode

Start = Callable[..., ModelServer]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def rest(simulator: Simulator) -> Iterator[Rest]:
    transport = Transport(
        "default",
        SecretStr(simulator.token),
        limiter=Unlimited(),
        api_url=simulator.api_url,
        retry=RetryPolicy(attempts=1),
    )
    yield Rest(transport)
    transport.close()


def parts(store: Store, server: ModelServer, rest: Rest, **changes: Any) -> TurnDeps:
    profile = AgentProfile(
        "main", "Shoal", primary=ModelRef("local", "m1"), visible_all="automatic", **changes
    )
    return replace(deps(store, server, profile=profile), threads=DiscordThreads(lambda _account: rest))


def for_thread(simulator: Simulator, text: str = "plan the party", **auto: Any) -> TurnRequest:
    """A message of the channel that is to be answered in a thread of its own."""
    said = simulator.control.say(simulator.channel_id, text)
    thread = {
        "thread_id": said["id"],
        "agent_id": "main",
        "session_key": channel_key("main", said["id"]),
        "name": text,
        **auto,
    }
    return request(
        text,
        channel_id=simulator.channel_id,
        message_id=said["id"],
        guild_id=simulator.guild_id,
        session_key=channel_key("main", simulator.channel_id),
        auto_thread=AutoThread(**thread),
    )


def lane_of(wanted: TurnRequest) -> str:
    assert wanted.auto_thread is not None
    return session_lane(wanted.auto_thread.session_key)


def push(store: Store, wanted: TurnRequest, lane: str = "") -> TurnRequest:
    store.lanes.push(lane or session_lane(wanted.session_key), record(wanted))
    return wanted


def run(store: Store, used: TurnDeps, lane: str) -> Any:
    grant = take(store, lane)
    step = run_turn(grant, used, TurnContext())
    settle(store, grant, step)
    return step


def threads(simulator: Simulator) -> list[dict[str, Any]]:
    return [channel for channel in simulator.control.state()["channels"] if channel["type"] == 11]


def prompt(server: ModelServer) -> str:
    return str([entry["content"] for entry in bodies(server)[-1]["messages"] if entry["role"] == "user"][-1])


# -- a thread of its own ---------------------------------------------------------------------------


def test_the_answer_goes_into_a_thread_that_the_turn_makes(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    server = chat_server([{"text": "Cake first."}])
    wanted = for_thread(simulator, archive_minutes=1440)
    store.lanes.push(lane_of(wanted), record(wanted))
    step = run(store, parts(store, server, rest, reply_to_mode="all"), lane_of(wanted))
    assert isinstance(step, Commit)
    [thread] = threads(simulator)
    assert (thread["id"], thread["name"], thread["parent_id"]) == (
        wanted.message_id,
        "plan the party",
        simulator.channel_id,
    )
    [send] = deliver(store, lane=f"delivery:default:{wanted.message_id}")
    # the message is in another channel: no answer can point to it
    assert (send.text, send.reply_to) == ("Cake first.", None)
    session = store.sessions.get(channel_key("main", wanted.message_id))
    assert session["route_to"].decode() == f"channel:{wanted.message_id}"
    assert store.sessions.get(wanted.session_key) == {}
    assert "Discord thread" in prompt(server)
    assert "Thread starter" not in prompt(server)
    told = store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert str(told.outcome) == "answered"


def test_a_turn_that_died_after_it_made_the_thread_finds_it(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    wanted = for_thread(simulator)
    used = parts(store, chat_server([{"text": "hello"}]), rest)
    assert used.threads is not None
    used.threads.open(msgspec.structs.replace(wanted, trigger_channel_id=simulator.channel_id))
    store.lanes.push(lane_of(wanted), record(wanted))
    assert isinstance(run(store, used, lane_of(wanted)), Commit)
    assert len(threads(simulator)) == 1
    assert [send.text for send in deliver(store, lane=f"delivery:default:{wanted.message_id}")] == ["hello"]


def test_without_the_right_to_make_threads_the_channel_is_answered(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    """No model is asked before that is known."""
    server = chat_server([{"text": "hello"}])
    wanted = for_thread(simulator)
    denied = {"id": simulator.guild_id, "type": 0, "allow": "0", "deny": str(1 << 35)}
    simulator.control.edit_channel(simulator.channel_id, overwrites=[denied])
    store.lanes.push(lane_of(wanted), record(wanted))
    used = parts(store, server, rest)
    moved = run(store, used, lane_of(wanted))
    assert moved.summary == "moved: thread-refused"
    assert bodies(server) == []
    told = store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert told.notes[-1] == ("session", wanted.session_key)
    assert isinstance(run(store, used, session_lane(wanted.session_key)), Commit)
    [send] = deliver(store, lane=f"delivery:default:{simulator.channel_id}")
    assert send.text == "hello"
    assert threads(simulator) == []
    assert store.sessions.get(channel_key("main", wanted.message_id)) == {}


def test_a_message_that_goes_back_to_its_channel_keeps_the_limits_of_its_sender(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    """R7: its scope has the tools in it, so nobody with others joins its turn, and it joins nobody's."""
    limits = ToolLimits(deny=("exec",))
    wanted = msgspec.structs.replace(for_thread(simulator), tools=limits)
    denied = {"id": simulator.guild_id, "type": 0, "allow": "0", "deny": str(1 << 35)}
    simulator.control.edit_channel(simulator.channel_id, overwrites=[denied])
    store.lanes.push(lane_of(wanted), record(wanted))
    run(store, parts(store, chat_server([{"text": "hello"}]), rest), lane_of(wanted))
    moved = store.lanes.oldest(session_lane(wanted.session_key))
    assert moved is not None
    assert moved.scope == wanted.scope
    assert moved.scope != msgspec.structs.replace(wanted, tools=None).scope


def test_a_thread_that_another_bot_made_is_used(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    wanted = for_thread(simulator)
    simulator.control.create_thread(simulator.channel_id, "made by somebody", message=wanted.message_id)
    denied = {"id": simulator.guild_id, "type": 0, "allow": "0", "deny": str(1 << 35)}
    simulator.control.edit_channel(simulator.channel_id, overwrites=[denied])
    store.lanes.push(lane_of(wanted), record(wanted))
    run(store, parts(store, chat_server([{"text": "hello"}]), rest), lane_of(wanted))
    assert [send.text for send in deliver(store, lane=f"delivery:default:{wanted.message_id}")] == ["hello"]


def test_while_discord_is_away_the_message_waits_for_its_thread(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    server = chat_server([{"text": "hello"}])
    now = store.now_ms()
    wanted = msgspec.structs.replace(for_thread(simulator), received_ms=now)
    route = "POST /channels/{channel_id}/messages/{message_id}/threads"
    simulator.control.fault("status", route=route, count=9)
    store.lanes.push(lane_of(wanted), record(wanted))
    grant = take(store, lane_of(wanted))
    used = parts(store, server, rest)
    with pytest.raises(ShoalError) as caught:
        run_turn(grant, used, TurnContext())
    assert caught.value.retryable
    # it is given up after a minute: the channel will do
    late = msgspec.structs.replace(wanted, received_ms=now - 61_000)
    store.lanes.commit(grant)
    store.lanes.push(lane_of(wanted), Record("late", "turn", encode(late), account="default", message_id="5"))
    assert run(store, used, lane_of(wanted)).summary.startswith("moved: ")


# -- how a thread began ------------------------------------------------------------------------------


def in_thread_of(simulator: Simulator, starter: str, number: int = 0) -> TurnRequest:
    said = simulator.control.say(simulator.channel_id, starter)
    thread = simulator.control.create_thread(simulator.channel_id, "party", message=said["id"])
    return request(
        "and the music?",
        number,
        channel_id=thread["id"],
        guild_id=simulator.guild_id,
        parent_id=simulator.channel_id,
        parent_name="General Talk",
        channel_name="party",
        is_thread=True,
        session_key=channel_key("main", thread["id"]),
    )


def test_the_first_turn_in_a_thread_is_told_how_it_began(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    server = chat_server([{"text": "a"}, {"text": "b"}])
    used = parts(store, server, rest)
    wanted = push(store, in_thread_of(simulator, "let us have a party"))
    run(store, used, session_lane(wanted.session_key))
    assert "Thread starter (untrusted, for context)" in prompt(server)
    assert "let us have a party" in prompt(server)
    assert "Discord thread #general-talk › party" in prompt(server)
    push(store, msgspec.structs.replace(wanted, message_id=str(int(wanted.message_id) + 1)))
    run(store, used, session_lane(wanted.session_key))
    assert "Thread starter" not in prompt(server)


@pytest.mark.parametrize(
    "changes",
    [
        {"thread_starter": False},
        {"context": ContextFilter("allowlist", users=AllowList.parse(["1"]))},
    ],
)
def test_how_a_thread_began_is_not_told(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest, changes: dict[str, Any]
) -> None:
    server = chat_server([{"text": "a"}])
    wanted = push(store, in_thread_of(simulator, "secret plans"))
    run(store, parts(store, server, rest, **changes), session_lane(wanted.session_key))
    assert "secret plans" not in prompt(server)


def test_a_forum_post_begins_with_a_message_in_the_thread_itself(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    server = chat_server([{"text": "a"}])
    forum = simulator.control.add_channel(simulator.guild_id, "help", type=15)
    post = simulator.control.create_thread(forum["id"], "broken", content="it does not start")
    wanted = request(
        "me too",
        message_id=str(int(post["id"]) + 5),
        channel_id=post["id"],
        guild_id=simulator.guild_id,
        parent_id=forum["id"],
        parent_name="help",
        parent_forum=True,
        is_thread=True,
        session_key=channel_key("main", post["id"]),
    )
    push(store, wanted)
    run(store, parts(store, server, rest), session_lane(wanted.session_key))
    assert "it does not start" in prompt(server)
    # whoever opens the post is told as such
    opening = msgspec.structs.replace(wanted, message_id=post["id"], text="it does not start")
    store.redis.delete(store.keys.session(wanted.session_key))
    push(store, opening)
    opened = chat_server([{"text": "b"}])
    run(store, parts(store, opened, rest), session_lane(wanted.session_key))
    assert '"forum_parent": "#help"' in prompt(opened)
    assert "Thread starter" not in prompt(opened)


def test_what_cannot_be_read_is_left_out(
    store: Store, chat_server: Start, simulator: Simulator, rest: Rest
) -> None:
    server = chat_server([{"text": "a"}])
    wanted = in_thread_of(simulator, "gone soon")
    simulator.control.delete(simulator.channel_id, wanted.channel_id)
    push(store, wanted)
    assert isinstance(run(store, parts(store, server, rest), session_lane(wanted.session_key)), Commit)
    assert "Thread starter" not in prompt(server)


# -- what it inherits --------------------------------------------------------------------------------


def remember(store: Store, key: str, *lines: str, **fields: str) -> None:
    """A session with a transcript."""
    store.lanes.push("session:agent:main:seed", Record(f"seed.{key}", "turn", b"{}"))
    texts = [
        Line("user" if n % 2 == 0 else "assistant", 1, text, message_id=str(n))
        for n, text in enumerate(lines)
    ]
    store.lanes.commit(
        take(store, "session:agent:main:seed"),
        [
            Transcript("parent", [encode_line(line) for line in texts]),
            SessionPut(key, {"session_id": "parent", **fields}),
        ],
    )


def thread_request(number: int = 0, **changes: Any) -> TurnRequest:
    return request(
        "go on",
        number,
        channel_id="888",
        parent_id="777",
        is_thread=True,
        session_key=channel_key("main", "888"),
        **changes,
    )


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"inherit_parent": True}, True),
        ({}, False),
        ({"inherit_parent": True, "parent_fork_max_tokens": 2}, False),
    ],
)
def test_a_new_thread_begins_with_its_parents_transcript_if_it_may(
    store: Store, chat_server: Start, rest: Rest, changes: dict[str, Any], seen: bool
) -> None:
    server = chat_server([{"text": "sure"}, {"text": "yes"}])
    remember(store, channel_key("main", "777"), "we like fish", "so do I")
    used = parts(store, server, rest, thread_starter=False, **changes)
    wanted = push(store, thread_request())
    lane = session_lane(wanted.session_key)
    run(store, used, lane)
    text = str(bodies(server)[-1]["messages"])
    assert ("we like fish" in text) is seen
    session = store.sessions.get(wanted.session_key)["session_id"].decode()
    assert session != "parent"
    assert len(store.sessions.transcript(session)) == (4 if seen else 2)
    assert len(store.sessions.transcript("parent")) == 2
    push(store, thread_request(1))
    run(store, used, lane)
    assert ("we like fish" in str(bodies(server)[-1]["messages"])) is seen


def test_a_thread_that_starts_afresh_does_not_inherit_again(
    store: Store, chat_server: Start, rest: Rest
) -> None:
    server = chat_server([{"text": "sure"}, {"text": "yes"}])
    remember(store, channel_key("main", "777"), "we like fish", "so do I")
    used = parts(store, server, rest, thread_starter=False, inherit_parent=True)
    first = push(store, thread_request())
    run(store, used, session_lane(first.session_key))
    push(store, thread_request(1, reset="new"))
    run(store, used, session_lane(first.session_key))
    assert "we like fish" not in str(bodies(server)[-1]["messages"])


@pytest.mark.parametrize(
    ("own", "parent", "expected"),
    [("", "", ""), ("", "local/parent", "local/parent"), ("local/own", "local/parent", "local/own")],
)
def test_a_thread_has_its_parents_model_unless_it_has_its_own(
    store: Store, chat_server: Start, rest: Rest, own: str, parent: str, expected: str
) -> None:
    """Independent of ``inheritParent`` (5.6)."""
    server = chat_server([{"text": "sure"}])
    remember(store, channel_key("main", "777"), "hi", "hi", model_override=parent)
    if own:
        remember(store, channel_key("main", "888"), model_override=own)
    asked: list[str] = []
    used = parts(store, server, rest, thread_starter=False)

    def profile(wanted: TurnRequest) -> AgentProfile:
        asked.append(wanted.model_override)
        return AgentProfile("main", primary=ModelRef("local", "m1"), visible_all="automatic")

    wanted = push(store, thread_request())
    run(store, replace(used, profile=profile), session_lane(wanted.session_key))
    assert asked == [expected]


# -- titles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Party plans for Friday", "Party plans for Friday"),
        ('"Party plans"\n', "Party plans"),
        ("\n\n**Party plans**\nand more", "Party plans"),
        ("```\nParty plans\n```", "Party plans"),
        ("# Party plans", "Party plans"),
        ("“周五聚会”", "周五聚会"),
        ("", ""),
        ("```\n```", ""),
        ("x" * 300, "x" * 100),
        ("🎉" * 80, "🎉" * 50),
    ],
)
def test_titles_are_one_plain_line(answer: str, title: str) -> None:
    assert clean_title(answer) == title


def test_a_title_is_asked_with_bounded_words(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "Party plans"}])
    used = deps(store, server)
    wanted = request("p" * 2_000, parent_name="n" * 500, topic="t" * 900)
    assert find_title(used.models, [ModelRef("local", "m1")], wanted) == "Party plans"
    asked = bodies(server)[-1]
    text = asked["messages"][-1]["content"]
    assert (text.count("p") <= 610, text.count("n") <= 130, text.count("t") <= 330) == (True, True, True)
    assert asked["max_tokens"] == 4096 or asked["max_completion_tokens"] == 4096
