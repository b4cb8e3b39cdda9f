"""What of a turn's last words is shown (``spec/inbound.md`` 9.1 to 9.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import config
from config.agents import ModelRef
from config.schema.root import Root
from tests.workers.agent.support.turns import request
from workers.agent.profile import AgentProfile
from workers.agent.profiles import profile_of
from workers.agent.sanitize import clean_answer
from workers.agent.silence import SilenceKind, SilencePolicy, silence_policy, strip_heartbeat
from workers.agent.visibility import Final, Unshown, failure_is_told, final_of, reply_mode

MODEL = ModelRef("local", "m1")
DIRECT = {"chat_type": "direct", "guild_id": None}
MAY, MAY_NOT = SilencePolicy(allowed=True), SilencePolicy(allowed=False, rewrite=True)


def profile(**fields: Any) -> AgentProfile:
    return AgentProfile("main", "Shoal", primary=MODEL, **fields)


# -- 9.1: the mode -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "group", "everywhere", "expected"),
    [
        ({}, None, None, "message_tool_only"),
        ({"chat_type": "group", "guild_id": None}, None, None, "message_tool_only"),
        ({}, "automatic", "message_tool", "automatic"),
        ({}, "message_tool", "automatic", "message_tool_only"),
        ({}, None, "automatic", "automatic"),
        (DIRECT, None, None, "automatic"),
        (DIRECT, "message_tool", None, "automatic"),
        (DIRECT, "automatic", "message_tool", "message_tool_only"),
    ],
)
def test_the_config_decides(place: dict[str, Any], group: Any, everywhere: Any, expected: str) -> None:
    used = profile(visible_group=group, visible_all=everywhere)
    assert reply_mode(request(**place), used, tool_available=True) == expected


@pytest.mark.parametrize("tool", [True, False])
def test_what_the_caller_asked_for_wins(tool: bool) -> None:
    wanted = request(reply_mode="message_tool_only", origin="heartbeat", **DIRECT)
    assert reply_mode(wanted, profile(visible_all="automatic"), tool_available=tool) == "message_tool_only"
    cron = request(reply_mode="automatic", origin="cron")
    assert reply_mode(cron, profile(), tool_available=tool) == "automatic"


def test_a_slash_command_is_answered() -> None:
    assert reply_mode(request(origin="command"), profile(), tool_available=True) == "automatic"


def test_without_the_tool_nothing_is_hidden_and_the_log_says_so_once(capfd: Any) -> None:
    used = AgentProfile("toolless", "X", primary=MODEL)
    for _ in range(3):
        assert reply_mode(request(), used, tool_available=False) == "automatic"
    assert capfd.readouterr().out.count("the agent has no message tool") == 1


def test_an_agent_may_have_its_own(tmp_path: Path) -> None:
    written = {
        "channels": {"discord": {"token": "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"}},
        "messages": {"groupChat": {"visibleReplies": "automatic"}},
        "agents": {
            "list": [{"id": "main"}, {"id": "quiet", "groupChat": {"visibleReplies": "message_tool"}}]
        },
    }
    path = tmp_path / "shoal.json"
    path.write_text(json.dumps(written))
    loaded = config.load(path, env={}, state_dir=tmp_path)
    assert profile_of(loaded, request()).visible_group == "automatic"
    assert profile_of(loaded, request(agent_id="quiet")).visible_group == "message_tool"


def test_failures_are_told_in_private_and_after_commands() -> None:
    assert failure_is_told(request(**DIRECT))
    assert failure_is_told(request(origin="command"))
    assert not failure_is_told(request(mentioned_by="explicit"))
    assert not failure_is_told(request(chat_type="group", guild_id=None))


# -- 9.2: the last words ---------------------------------------------------------------------------------


def final(text: str, mode: Any = "automatic", silence: SilencePolicy = MAY, **more: Any) -> Final:
    return final_of(clean_answer(text), mode=mode, silence=silence, **more)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello.", "Hello."),
        ("Hello. NO_REPLY", "Hello."),
        ("Hello. **NO_REPLY**", "Hello. **"),
        ("Hello *NO_REPLY", "Hello *"),
        ("NO_REPLYHello", "Hello"),
        ("NO_REPLY: because it is late", "NO_REPLY: because it is late"),
        ("The word NO_REPLY means silence.", "The word NO_REPLY means silence."),
        ("no_reply needed here", "no_reply needed here"),
    ],
)
def test_mixed_forms_of_the_silent_token(text: str, shown: str) -> None:
    got = final(text)
    assert got.unshown is None
    assert got.text.strip("* ") == shown.strip("* ")


@pytest.mark.parametrize(
    "text", ["NO_REPLY", " no_reply\n", "**NO_REPLY**", '{"action": "NO_REPLY"}', '{"action":"NO_REPLY"}\n']
)
def test_whole_silence(text: str) -> None:
    assert final(text) == Final(unshown=Unshown.NO_REPLY)
    assert final(text, silence=MAY_NOT) == Final(filler="silent")
    assert final(text, silence=SilencePolicy(False, False)) == Final(unshown=Unshown.NO_REPLY)
    assert final(text, "message_tool_only", MAY_NOT) == Final(unshown=Unshown.NO_REPLY)


@pytest.mark.parametrize("text", ['{"action": "NO_REPLY", "x": 1}', '{"action": "reply"}'])
def test_other_json_is_text(text: str) -> None:
    assert final(text).text == text


def test_an_empty_answer_is_silence_only_where_that_is_allowed() -> None:
    assert final("") == Final(unshown=Unshown.EMPTY)
    assert final("", silence=MAY_NOT) == Final(filler="empty")
    assert final("<think>hm</think>").unshown in (Unshown.STRIPPED, Unshown.EMPTY)


def test_who_has_spoken_by_the_tool_may_be_silent() -> None:
    assert final("NO_REPLY", silence=MAY_NOT, talked=["By hand."]) == Final(unshown=Unshown.NO_REPLY)
    assert final("", silence=MAY_NOT, talked=["By hand."]) == Final(unshown=Unshown.NO_REPLY)
    assert final("by  HAND.", talked=["By hand."]) == Final(unshown=Unshown.DUPLICATE)
    long = "The first half of what there is to say.\n\nThe second half of it."
    parts = ["The first half of what there is to say.", "The second half of it."]
    assert final(long, talked=parts) == Final(unshown=Unshown.DUPLICATE)
    assert final(parts[0], talked=[long]) == Final(unshown=Unshown.DUPLICATE)
    assert final("it.", talked=[long]) == Final("it.")
    assert final("Something else.", talked=["By hand."]).text == "Something else."


def test_media_are_sent_though_the_text_is_silent() -> None:
    assert final("NO_REPLY", media=["cat.png"]) == Final("", ("cat.png",))
    assert final("Look.", media=["cat.png"]) == Final("Look.", ("cat.png",))
    assert final("HEARTBEAT_OK", media=["cat.png"]) == Final("", ("cat.png",))


def test_private_and_denied() -> None:
    assert final("Hello.", "message_tool_only") == Final(unshown=Unshown.PRIVATE_FINAL)
    assert final("Hello.", may_send=False) == Final(unshown=Unshown.SEND_DENIED)
    assert final("Hello.", "message_tool_only", may_send=False) == Final(unshown=Unshown.SEND_DENIED)
    assert final("NO_REPLY", may_send=False, silence=MAY_NOT).unshown is Unshown.SEND_DENIED


# -- the policy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("direct", {}, (False, True)),
        ("group", {}, (True, True)),
        ("internal", {}, (True, True)),
        ("direct", {"agents": {"defaults": {"silentReply": {"direct": "allow"}}}}, (True, True)),
        ("group", {"agents": {"defaults": {"silentReply": {"direct": "allow"}}}}, (True, True)),
        ("group", {"surfaces": {"discord": {"silentReply": {"group": "disallow"}}}}, (False, True)),
        ("group", {"surfaces": {"slack": {"silentReply": {"group": "disallow"}}}}, (True, True)),
        (
            "direct",
            {
                "agents": {"defaults": {"silentReply": {"direct": "allow"}}},
                "surfaces": {"discord": {"silentReply": {"direct": "disallow"}}},
            },
            (False, True),
        ),
        ("direct", {"agents": {"defaults": {"silentReplyRewrite": {"direct": False}}}}, (False, False)),
        (
            "direct",
            {
                "agents": {"defaults": {"silentReplyRewrite": {"direct": False}}},
                "surfaces": {"discord": {"silentReplyRewrite": {"direct": True}}},
            },
            (False, True),
        ),
    ],
)
def test_silent_reply(kind: SilenceKind, written: dict[str, Any], expected: tuple[bool, bool]) -> None:
    policy = silence_policy(Root.model_validate(written), kind)
    assert (policy.allowed, policy.rewrite) == expected


# -- 9.3: HEARTBEAT_OK in ordinary turns --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("HEARTBEAT_OK", ""),
        ("**HEARTBEAT_OK**", ""),
        ("<b>HEARTBEAT_OK</b>", ""),
        ("HEARTBEAT_OK.", ""),
        ("HEARTBEAT_OK !!!", ""),
        ("HEARTBEAT_OK All is well.", "All is well."),
        ("All is well. HEARTBEAT_OK", "All is well."),
        ("All is well.\nHEARTBEAT_OK...", "All is well."),
        ("HEARTBEAT_OK Done. HEARTBEAT_OK", "Done."),
        ("**HEARTBEAT_OK** All is well.", "All is well."),
        ("<p>All is well.</p> <b>HEARTBEAT_OK</b>", "<p>All is well.</p>"),
        ("Ask <@1> at <t:2:R>. HEARTBEAT_OK**", "Ask <@1> at <t:2:R>."),
        ("HEARTBEAT_OK <@1> knows <b>it</b>", "<@1> knows <b>it</b>"),
        ("<@1> HEARTBEAT_OK", "<@1>"),
        ("Ask <@1> HEARTBEAT_OK<t:2:R>", "Ask <@1> HEARTBEAT_OK<t:2:R>"),
        ("MY_HEARTBEAT_OK", "MY_HEARTBEAT_OK"),
        ("I say HEARTBEAT_OK when all is well.", "I say HEARTBEAT_OK when all is well."),
        ("HEARTBEAT_OKAY then", "HEARTBEAT_OKAY then"),
        ("Nothing of it.", "Nothing of it."),
    ],
)
def test_the_heartbeat_word_goes_at_the_edges(text: str, left: str) -> None:
    assert strip_heartbeat(text) == left


def test_only_the_heartbeat_word_is_dropped() -> None:
    assert final("HEARTBEAT_OK") == Final(unshown=Unshown.HEARTBEAT_OK)
    assert final("HEARTBEAT_OK", silence=MAY_NOT) == Final(unshown=Unshown.HEARTBEAT_OK)
    assert final("All fine. HEARTBEAT_OK").text == "All fine."
