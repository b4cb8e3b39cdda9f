"""What a turn shows, hides, stores and settles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from config.agents import ModelRef
from shoal.base.ids import new_token
from shoal.simulator.models import ModelServer
from shoal.state.records import Failure, Grant, Refused
from shoal.state.steps import Commit, Fail, Park
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import (
    DELIVERY,
    LANE,
    CountingTool,
    deliver,
    deps,
    drive,
    note,
    record,
    request,
    settle,
    take,
    turn,
)
from workers.agent.calls import MAX_ROUNDS
from workers.agent.context import TurnContext
from workers.agent.profile import AgentProfile
from workers.agent.transcript import decode_lines
from workers.agent.turn import run_turn
from workers.sessions.changes import MessageChange, change_record
from workers.sessions.history import HistoryEntry, history_id
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]
PRIVATE = AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"))
DIRECT = {"chat_type": "direct", "guild_id": None, "guild_name": "", "session_key": "agent:main:main"}


def push(store: Store, wanted: TurnRequest, mode: str = "steer") -> TurnRequest:
    store.lanes.push(LANE, record(wanted, mode))
    return wanted


def outcome(store: Store, wanted: TurnRequest) -> tuple[str, str]:
    explanation = store.ledger.explain(wanted.account, wanted.message_id)
    assert explanation is not None
    return str(explanation.outcome), explanation.reason


def test_an_answer_is_pushed_stored_and_settled(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "Hello Ann."}])
    wanted = push(store, request("hi"))
    result = turn(store, deps(store, server))
    assert isinstance(result, Commit)
    assert result.summary.startswith("answered · 1 message · ")
    [send] = deliver(store)
    assert (send.text, send.channel_id, send.account) == ("Hello Ann.", "777", "default")
    assert outcome(store, wanted) == ("answered", "")
    facts = note(store, wanted)
    assert (facts["model"], facts["in"], facts["out"]) == ("local/m1", 10, 5)
    assert facts["didSendViaMessagingTool"] is False
    session = store.sessions.get(wanted.session_key)
    lines = decode_lines(store.sessions.transcript(session["session_id"].decode()))
    assert [(line.role, line.text) for line in lines] == [("user", "hi"), ("assistant", "Hello Ann.")]


def test_an_answer_that_was_cut_says_so_in_its_note(store: Store, chat_server: Start) -> None:
    wanted = push(store, request("tell me all"))
    turn(store, deps(store, chat_server([{"text": "First, the", "finish": "length"}])))
    assert [send.text for send in deliver(store)] == ["First, the"]
    assert note(store, wanted)["stop"] == "length"


def test_a_refusal_without_words_is_told(store: Store, chat_server: Start) -> None:
    """A provider that filters the whole answer: nobody should wait for it (``spec/inbound.md`` 9.2)."""
    wanted = push(store, request("something bad", **DIRECT))
    turn(store, deps(store, chat_server([{"text": "", "finish": "content_filter"}])))
    assert [send.text for send in deliver(store)] == ["My model declined to answer this."]
    assert outcome(store, wanted) == ("answered", "model-refused")
    assert note(store, wanted)["stop"] == "refused"


def test_the_answer_on_its_way_names_the_message(store: Store, chat_server: Start) -> None:
    """So that a refused answer is found by the message, and `shoal explain` tells what was sent."""
    wanted = push(store, request("hi"))
    turn(store, deps(store, chat_server([{"text": "Hello Ann."}])))
    grant = store.lanes.acquire("delivery:default:777", new_token())
    assert isinstance(grant, Grant)
    assert (grant.head.account, grant.head.message_id) == (wanted.account, wanted.message_id)


def test_the_next_turn_remembers(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "first"}, {"text": "second"}])
    used = deps(store, server)
    push(store, request("one"))
    turn(store, used)
    push(store, request("two", 1))
    turn(store, used)
    messages = bodies(server)[-1]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "[from: Ann user id:42] one" in messages[1]["content"]
    assert messages[2]["content"] == "first"
    assert messages[3]["content"].endswith("Ann: two")


def test_a_final_in_a_guild_is_private_by_default(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "my private thought"}])
    wanted = push(store, request())
    result = turn(store, deps(store, server, profile=PRIVATE))
    assert isinstance(result, Commit)
    assert deliver(store) == []
    assert outcome(store, wanted) == ("answered", "private-final")
    assert note(store, wanted)["length"] == len("my private thought")
    assert "private" in bodies(server)[0]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("group", "everywhere", "shown"),
    [("automatic", None, True), (None, "automatic", True), ("message_tool", "automatic", False)],
)
def test_visible_replies_decide(
    store: Store, chat_server: Start, group: str | None, everywhere: str | None, shown: bool
) -> None:
    server = chat_server([{"text": "words"}])
    push(store, request())
    turn(store, deps(store, server, profile=replace(PRIVATE, visible_group=group, visible_all=everywhere)))
    assert [send.text for send in deliver(store)] == (["words"] if shown else [])


def test_a_direct_message_is_answered_visibly(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "words"}])
    push(store, request(**DIRECT))
    turn(store, deps(store, server, profile=PRIVATE))
    assert [send.text for send in deliver(store)] == ["words"]


@pytest.mark.parametrize("text", ["NO_REPLY", " no_reply \n", '{"action": "NO_REPLY"}', "**NO_REPLY**"])
def test_silence_in_a_channel_is_silence(store: Store, chat_server: Start, text: str) -> None:
    server = chat_server([{"text": [text]}])
    wanted = push(store, request())
    turn(store, deps(store, server))
    assert deliver(store) == []
    assert outcome(store, wanted) == ("answered", "no-reply")


def test_silence_in_a_direct_message_becomes_a_short_line(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": ["NO_REPLY"]}])
    push(store, request("你好", **DIRECT))
    turn(store, deps(store, server))
    assert [send.text for send in deliver(store)] == ["收到，我没有要补充的。"]


def test_a_final_that_repeats_the_sent_message_is_dropped(store: Store, chat_server: Start) -> None:
    say = {"name": "message", "arguments": {"action": "send", "message": "It is  noon."}}
    server = chat_server([{"tool_calls": [say]}, {"text": "it is noon."}])
    wanted = push(store, request())
    drive(store, deps(store, server), sent := [])
    deliver(store, sent)
    assert [send.text for send in sent] == ["It is  noon."]
    assert outcome(store, wanted) == ("answered", "duplicate")
    assert note(store, wanted)["didSendViaMessagingTool"] is True


def test_reply_tags_and_modes(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": ["[[reply_to_current]] yes"]}, {"text": "plain"}])
    used = deps(store, server, profile=replace(PRIVATE, visible_all="automatic", reply_to_mode="first"))
    first = push(store, request())
    turn(store, used)
    second = push(store, request("more", 1))
    turn(store, used)
    sends = deliver(store)
    assert [(send.text, send.reply_to, send.reply_scope) for send in sends] == [
        ("yes", first.message_id, "all"),
        ("plain", second.message_id, "first"),
    ]


def test_a_prefix_names_the_model_that_answered(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "x"}])
    profile = AgentProfile(
        "main",
        "Nemo",
        primary=ModelRef("local", "big-model-20250101"),
        visible_all="automatic",
        response_prefix="[{model} by {provider}, {identity.name}] {unknown}",
    )
    push(store, request())
    turn(store, deps(store, server, profile=profile))
    assert deliver(store)[0].prefix == "[big-model by local, Nemo] {unknown}"


def test_an_answer_that_never_arrives_is_not_called_answered(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "Hello Ann."}])
    wanted = push(store, request("hi"))
    turn(store, deps(store, server))
    assert outcome(store, wanted)[0] == "None", "not decided before the delivery"
    for _ in range(3):
        grant = take(store, DELIVERY)
        store.lanes.fail(grant, Failure.HANDLED, code="refused", reason="Discord said no.", delay_ms=0)
    assert outcome(store, wanted)[0] == "dead"


# -- errors ---------------------------------------------------------------------------------------------


def test_a_refused_key_is_told_at_once_in_plain_words(store: Store, chat_server: Start) -> None:
    server = chat_server([{"error": {"status": 401}, "times": 9}])
    wanted = push(store, request("hola", **DIRECT))
    turn(store, deps(store, server))
    [send] = deliver(store)
    assert "key" in send.text
    assert "401" not in send.text
    assert send.plain
    assert outcome(store, wanted) == ("answered", "model-auth")
    assert len(bodies(server)) == 1


@pytest.mark.parametrize("visible", ["automatic", "message_tool"])
def test_a_room_reads_nothing_of_a_failure_and_explain_does(
    store: Store, chat_server: Start, visible: str
) -> None:
    """``spec/inbound.md`` 9.1: no boilerplate in rooms, not even for who named the bot."""
    server = chat_server([{"error": {"status": 401}, "times": 9}])
    wanted = push(store, request("hola", was_mentioned=True, mentioned_by="explicit"))
    turn(store, deps(store, server, profile=replace(PRIVATE, visible_all=visible)))
    assert deliver(store) == []
    assert outcome(store, wanted) == ("answered", "model-auth")
    assert note(store, wanted)["silent"] == "model-auth"


def test_an_outage_is_waited_for_and_then_told(
    store: Store, chat_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.agent.loop.RETRY_DELAYS_MS", (10, 20))
    server = chat_server([{"error": {"status": 503}, "times": 9}])
    wanted = push(store, request("在吗", **DIRECT))
    used = deps(store, server)
    assert isinstance(turn(store, used), Park)
    drive(store, used)
    assert [send.text for send in deliver(store)] == ["模型暂时不可用或过载，请稍后再试。"]
    assert len(bodies(server)) == 3
    assert outcome(store, wanted) == ("answered", "model-overloaded")


def test_an_outage_that_passes_leaves_no_trace(
    store: Store, chat_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.agent.loop.RETRY_DELAYS_MS", (10, 20))
    server = chat_server([{"error": {"status": 503}}, {"text": "there"}])
    push(store, request())
    drive(store, deps(store, server))
    assert [send.text for send in deliver(store)] == ["there"]


def test_a_conversation_too_long_is_cut_and_asked_again(store: Store, chat_server: Start) -> None:
    long = {"status": 400, "message": "This model's maximum context length is 10 tokens"}
    server = chat_server([{"text": "first"}, {"error": long, "times": 3}, {"text": "short"}])
    used = deps(store, server)
    push(store, request("one"))
    turn(store, used)
    push(store, request("two", 1))
    turn(store, used)
    assert [send.text for send in deliver(store)] == ["first", "short"]
    assert len(bodies(server)[-1]["messages"]) == 2


def test_an_acp_agent_gets_one_notice(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "never"}])
    push(store, request(**DIRECT))
    turn(store, deps(store, server, profile=replace(PRIVATE, acp=True)))
    assert "ACP" in deliver(store)[0].text
    assert bodies(server) == []


# -- tools ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"name": "nothing", "arguments": {}}, "There is no tool"),
        ({"name": "message", "arguments": "{broken"}, "no JSON"),
        ({"name": "message", "arguments": "[1]"}, "must be a JSON object"),
        ({"name": "message", "arguments": {"action": "fly"}}, "There is no action"),
        ({"name": "message", "arguments": {"action": "send"}}, "message is missing"),
        ({"name": "message", "arguments": {"action": "send", "message": "x", "to": "#nowhere"}}, "unknown"),
        (
            {"name": "message", "arguments": {"action": "send", "message": "x", "to": "user:1"}},
            "Only this conversation",
        ),
        (
            {"name": "message", "arguments": {"action": "send", "message": "x", "to": "channel:88888"}},
            "Only this conversation",
        ),
    ],
)
def test_wrong_calls_go_back_to_the_model(
    store: Store, chat_server: Start, call: dict[str, Any], said: str
) -> None:
    server = chat_server([{"tool_calls": [call]}, {"text": "sorry"}])
    push(store, request())
    drive(store, deps(store, server), sent := [])
    deliver(store, sent)
    assert [send.text for send in sent] == ["sorry"]
    assert said in bodies(server)[-1]["messages"][-1]["content"]


@pytest.mark.parametrize("name", ["message", "discord"])
@pytest.mark.parametrize("action", ["send", "sendMessage", "send-message", "send_message"])
def test_names_of_the_message_tool(store: Store, chat_server: Start, name: str, action: str) -> None:
    call = {"name": name, "arguments": {"action": action, "message": "hi"}}
    server = chat_server([{"tool_calls": [call]}, {"text": ["NO_REPLY"]}])
    push(store, request())
    drive(store, deps(store, server), sent := [])
    assert [send.text for send in sent] == ["hi"]


def test_a_tool_that_breaks_is_reported(store: Store, chat_server: Start) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    server = chat_server([{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "hm"}])
    push(store, request())
    drive(store, deps(store, server, CountingTool(broken)))
    content = bodies(server)[-1]["messages"][-1]["content"]
    assert "internal error (RuntimeError)" in content
    assert "secret detail" not in content


def test_the_same_call_again_and_again_is_refused_and_the_turn_ends(store: Store, chat_server: Start) -> None:
    tool = CountingTool()
    server = chat_server([{"tool_calls": [{"name": "count", "arguments": {}}], "times": 999}])
    wanted = push(store, request(**DIRECT))
    drive(store, deps(store, server, tool))
    assert tool.runs == 3
    assert len(bodies(server)) <= MAX_ROUNDS + 3
    [send] = deliver(store)
    assert "without getting further" in send.text
    assert outcome(store, wanted) == ("answered", "tool-rounds")


# -- steer, stop, changes -------------------------------------------------------------------------------


def test_a_message_that_comes_in_meanwhile_is_absorbed(store: Store, chat_server: Start) -> None:
    second = request("and make it blue", 1)
    tool = CountingTool(lambda: push(store, second))  # type: ignore[arg-type, return-value]
    server = chat_server([{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "blue it is"}])
    first = push(store, request("paint it"))
    drive(store, deps(store, server, tool))
    assert "and make it blue" in bodies(server)[-1]["messages"][-1]["content"]
    assert [send.text for send in deliver(store)] == ["blue it is"]
    assert outcome(store, first) == ("answered", "")
    assert outcome(store, second) == ("steered", f"into.{first.message_id}")
    assert isinstance(store.lanes.acquire(LANE, new_token()), Refused)


@pytest.mark.parametrize("mode", ["followup", "collect"])
def test_other_modes_wait_for_a_turn_of_their_own(store: Store, chat_server: Start, mode: str) -> None:
    second = request("later", 1)
    tool = CountingTool(lambda: store.lanes.push(LANE, record(second, mode)))  # type: ignore[arg-type, return-value]
    rules = [{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "one"}, {"text": "two"}]
    server = chat_server(rules)
    push(store, request("now"))
    used = deps(store, server, tool)
    drive(store, used)
    drive(store, used)
    assert [send.text for send in deliver(store)] == ["one", "two"]


def test_a_message_of_lesser_authority_is_not_absorbed(store: Store, chat_server: Start) -> None:
    guest = record(request("me too", 1))
    server = chat_server([{"text": "for the owner"}, {"text": "for the guest"}])
    owner = request("hi", is_owner=True, authority="owner")
    store.lanes.push(LANE, replace(record(owner), scope="default|777|owner"))
    store.lanes.push(LANE, guest)
    used = deps(store, server)
    drive(store, used)
    drive(store, used)
    assert [send.text for send in deliver(store)] == ["for the owner", "for the guest"]


def test_a_stop_ends_a_streaming_turn_and_nothing_is_sent(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": [f"{number} " for number in range(100)], "chunk_delay": 0.1}])
    wanted = push(store, request())
    grant = take(store)
    stopped_at: list[float] = []

    def stop() -> None:
        server.wait_for_requests(1)
        time.sleep(1.0)  # some of the hundred words are out by then, not all of them
        store.lanes.stop(LANE, int(time.time() * 1000) + 1000, str(2**62))
        stopped_at.append(time.monotonic())

    stopper = threading.Thread(target=stop)
    stopper.start()
    result = run_turn(grant, deps(store, server), TurnContext())
    stopper.join()
    assert time.monotonic() - stopped_at[0] < 2
    settle(store, grant, result)
    assert deliver(store) == []
    assert outcome(store, wanted) == ("stopped", "stopped")
    session_id = store.sessions.get(wanted.session_key)["session_id"].decode()
    texts = [line.text for line in decode_lines(store.sessions.transcript(session_id))]
    assert texts[1].startswith("0 ")
    assert texts[1].endswith("[stopped by the user]")


def test_a_deleted_message_starts_nothing(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "never"}])
    wanted = push(store, request())
    store.lanes.push(LANE, change_record(MessageChange("default", (wanted.message_id,)), "1"))
    used = deps(store, server)
    result = turn(store, used)
    assert result.summary == "dropped · deleted-before-turn"
    assert outcome(store, wanted) == ("dropped", "deleted-before-turn")
    assert turn(store, used).summary.startswith("change")
    assert bodies(server) == []
    assert store.lanes.depth(LANE) == 0


def test_an_edit_changes_the_text_of_a_waiting_message_once(store: Store, chat_server: Start) -> None:
    server = chat_server([{"tool_calls": [{"name": "count", "arguments": {}}]}, {"text": "ok"}])
    wanted = push(store, request("teh text"))
    store.lanes.push(LANE, change_record(MessageChange("default", (wanted.message_id,), "the text"), "1"))
    late = change_record(MessageChange("default", (wanted.message_id,), "too late"), "2")
    tool = CountingTool(lambda: store.lanes.push(LANE, late))  # type: ignore[arg-type, return-value]
    drive(store, deps(store, server, tool))
    for body in bodies(server):
        assert body["messages"][1]["content"].endswith("Ann: the text")


def test_unanswered_messages_are_quoted_once(store: Store, chat_server: Start) -> None:
    entry = HistoryEntry("100", "Bob", "43", 5, "look at ```this```")
    key = store.keys.transcript(history_id("default", "777"))
    store.redis.rpush(key, msgspec.json.encode(entry))
    server = chat_server([{"text": "seen"}, {"text": "again"}])
    used = deps(store, server)
    push(store, request())
    turn(store, used)
    push(store, request("next", 1))
    turn(store, used)
    first, second = (body["messages"][-1]["content"] for body in bodies(server))
    assert "Chat history since last reply" in first
    assert '"sender_id": "43"' in first
    assert "```this" not in first
    assert "Chat history" not in second


def test_a_record_that_cannot_be_read_fails_with_its_code(store: Store, chat_server: Start) -> None:
    broken = replace(record(request()), body=b"{}")
    store.lanes.push(LANE, broken)
    grant = take(store)
    assert isinstance(grant, Grant)
    result = run_turn(grant, deps(store, chat_server([])), TurnContext())
    assert isinstance(result, Fail)
    assert result.code == "turn-unreadable"


def test_the_guide_answers_when_no_model_is_configured(store: Store) -> None:
    push(store, request("hello?", was_mentioned=True))
    turn(store, deps(store, None, profile=AgentProfile("main", "Shoal")))
    [send] = deliver(store)
    assert "built-in guide" in send.text
    assert "You said: hello?" in send.text


def test_the_guide_sends_with_the_message_tool_on_request(store: Store) -> None:
    push(store, request("send good morning"))
    drive(store, deps(store, None, profile=AgentProfile("main", "Shoal")), sent := [])
    deliver(store, sent)
    assert sent[0].text == "good morning"
    assert '"messageId":"50001"' in sent[1].text
