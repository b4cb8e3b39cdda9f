"""What is stripped from answers, and what must stay."""

from __future__ import annotations

import pytest

from workers.agent.profile import AgentProfile
from workers.agent.prompt import Surroundings, user_text
from workers.agent.sanitize import clean_answer, held_back, is_silent
from workers.sessions.envelopes import strip_envelopes
from workers.sessions.history import HistoryEntry, Pending
from workers.sessions.records import QuotedMessage, TurnRequest

REQUEST = TurnRequest(
    account="default",
    channel_id="777",
    message_id="888",
    author_id="42",
    author_name="Ann",
    chat_type="channel",
    agent_id="main",
    session_key="k",
    text="the words",
    topic="About ``` things",
    guild_id="9",
    guild_name="Home",
    channel_name="general",
    born_ms=1_700_000_000_000,
    quoted=QuotedMessage("1", "2", "Bob", "quoted"),
)


def test_a_copied_prompt_is_stripped_to_its_words() -> None:
    around = Surroundings(Pending((HistoryEntry("1", "Bob", "2", 3, "earlier"),), 1), thread_starter="old")
    whole = user_text(REQUEST, AgentProfile("main"), around)
    assert strip_envelopes(whole) == "Ann: the words"
    assert clean_answer(whole).text == "Ann: the words"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[Discord Home #general channel id:777 +2m Fri 2024-01-05 10:00 UTC] hello", "hello"),
        ("[Fri 2024-01-05 10:00 UTC] hello", "hello"),
        ("[from: Ann user id:42] hello\n[message_id: 888]", "hello"),
        ("hello\n[discord message id: 888]", "hello"),
        ("[message_id: 888]\nhello", "hello"),
        ("[message_id: 888]", ""),
        ("see [message_id: 888] in the middle", "see [message_id: 888] in the middle"),
        ("```\n[from: x]\n```", "```\n[from: x]\n```"),
        ("[a list] of things", "[a list] of things"),
    ],
)
def test_envelopes_go_at_the_edges_only(text: str, left: str) -> None:
    assert strip_envelopes(text) == left


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<think>hm</think>Yes.", "Yes."),
        ("<thinking>never closed", ""),
        ("Use `<think>` tags", "Use `<think>` tags"),
        ('<tool_call>{"name": "x"}</tool_call>\nDone', "Done"),
        ("```xml\n<tool_call>a</tool_call>\n```", "```xml\n<tool_call>a</tool_call>\n```"),
        ("a\n\n\n\nb  \nc", "a\n\nb\nc"),
        ("<t:1700000000:R> and </help:123>", "<t:1700000000:R> and </help:123>"),
        ("<final>Yes</final>", "Yes"),
        ("Here you go. NO_REPLY", "Here you go."),
        ("NO_REPLYHello", "Hello"),
        ("NO_REPLY: because", "NO_REPLY: because"),
    ],
)
def test_scaffolding_goes_and_markup_stays(text: str, shown: str) -> None:
    assert clean_answer(text).text == shown


def test_reply_tags() -> None:
    assert clean_answer("[[ reply_to: 12345 ]] hi").reply_to == "12345"
    for malformed in (
        "[[reply_to:abc]] hi", "[[reply_to]] hi", "[[reply_to: <@1>]] hi", "hi [[reply_to:12345",
        "[[reply_to_current] hi", "hi [[audio_as_voice]", "[[reply_to 12345]] hi",
    ):  # fmt: skip
        cleaned = clean_answer(malformed)
        assert (cleaned.text, cleaned.reply_to, cleaned.voice) == ("hi", "", False), malformed
    assert clean_answer("`[[reply_to:abc]]` and [[links]]").text == "`[[reply_to:abc]]` and [[links]]"
    cleaned = clean_answer("hi [[reply_to_current]]")
    assert (cleaned.text, cleaned.reply_to) == ("hi", "current")


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("NO_REPLY", True),
        (" no_reply ", True),
        ('{"action":"NO_REPLY"}', True),
        ('{"action":"NO_REPLY","why":1}', False),
        ("no", False),
        ("NO_REPLY: why", False),
    ],
)
def test_silence(text: str, silent: bool) -> None:
    assert is_silent(text) is silent
    assert clean_answer(text).silent is silent


def test_a_beginning_that_may_become_the_token_is_held_back() -> None:
    assert [held_back(text) for text in ("NO", "NO_R", "No", "N", "NOT", "")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
