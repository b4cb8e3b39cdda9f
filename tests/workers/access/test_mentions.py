"""The mention gate and mention patterns (``spec/inbound.md`` 4.1 to 4.4)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.workers.access.support import ANN, CHANNEL, DM, GUILD, ROOM, THREAD, facts, one, settings
from workers.access.decide import decide
from workers.access.decision import MentionedBy
from workers.access.facts import Known, MentionFacts, MessageFacts, Surface
from workers.access.needs import ActivationNeeded, TranscriptNeeded
from workers.access.patterns import (
    NO_PATTERNS,
    MentionPatterns,
    Patterns,
    _compiled,
    derived_patterns,
    normal_text,
)

CLAW = Patterns.compile([r"\bclaw\b"])


# -- patterns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "text", "found"),
    [
        ([r"\bclaw\b"], "hey CLAW!", True),
        ([r"\bClaw\b"], "hey claw", True),
        ([r"\bclaw\b"], "clawed", False),
        (["\bclaw\b"], "hey claw", True),  # JSON's "\b" is a backspace
        ([r"\bclaw\b"], "c\u200bl\u202eaw", True),
        ([r"claw", r"crab"], "a crab", True),
        ([], "claw", False),
        ([r"(?<!\w)claw(?!\w)"], "claw", True),
        ([r"(?<!\w)claw(?!\w)"], "claws", False),
        ([r"клешня"], "Клешня!", True),
        ([r"claw|crab"], "CRAB", True),
        ([r"^hey\s+claw"], "hey   claw do", True),
        ([r"@claw\/bot"], "@claw/bot", True),
    ],
)
def test_written_patterns(patterns: list[str], text: str, found: bool) -> None:
    """4.2."""
    assert Patterns.compile(patterns).match(text) is found


@pytest.mark.parametrize(
    ("name", "emoji", "text", "found"),
    [
        ("Claw", None, "hey claw", True),
        ("Claw", None, "@Claw hello", True),
        ("Claw", None, "clawing", False),
        ("Claw", None, "unclaw", False),
        ("Sea Claw", None, "sea   claw?", True),
        ("Sea Claw", None, "sea", False),
        ("C.3-PO", None, "ask c.3-po", True),
        ("C.3-PO", None, "ask cx3-po", False),
        ("小虾", None, "小虾你好", True),  # no spaces to tell words apart
        ("包", None, "书包", False),
        ("包", None, "@包 在吗", True),
        ("Клешня", None, "клешня, привет", True),
        ("Клешня", None, "клешням", False),
        (None, "🦞", "🦞 hi", True),
        (None, "☺️", "☺ hi", True),
        ("", "", "anything", False),
        ("  ", None, "anything", False),
    ],
)
def test_patterns_of_an_identity(name: str | None, emoji: str | None, text: str, found: bool) -> None:
    """4.2: the name as whole words, and the emoji."""
    assert Patterns.compile(derived_patterns(name, emoji)).match(text) is found


@pytest.mark.parametrize("pattern", ["(", r"(?=x)y", r"(a)\1", "x*", "", "   ", "a" * 1_001, "a{1000}{1000}"])
def test_what_is_no_pattern_is_ignored_and_said_once(pattern: str) -> None:
    """4.2: invalid, unsafe, or fitting everything; the others still count."""
    _compiled.cache_clear()
    with capture_logs() as logs:
        kept = Patterns.compile([pattern, "claw"])
        Patterns.compile([pattern])
    assert kept.written == ("claw",)
    assert kept.match("claw")
    assert len([entry for entry in logs if "mention pattern ignored" in entry["event"]]) == 1


def test_no_message_makes_a_pattern_slow() -> None:
    """4.2: nested repetition takes time in proportion to the text, and nothing more."""
    evil = Patterns.compile([r"(a+)+$", r"(a|aa)+$", r"(.*\s*.*){20}zz$", r"(\w+\s?)*!$"])
    assert len(evil.written) == 4
    began = time.process_time()
    for _ in range(100):
        evil.match("a" * 4_000 + "b")
        evil.match(" a" * 2_000)
    assert time.process_time() - began < 2  # a backtracking engine would need years


def test_normal_text() -> None:
    """4.2."""
    assert normal_text("A\u200b\u2066B\ufeff") == "ab"


@pytest.mark.parametrize(
    ("policy", "channel", "parent", "on"),
    [
        (None, "1", None, True),
        ({}, "1", None, True),
        ({"denyIn": ["1"]}, "1", None, False),
        ({"denyIn": ["1"]}, "2", None, True),
        ({"denyIn": ["1"]}, "2", "1", False),
        ({"mode": "allow"}, "1", None, False),
        ({"mode": "allow", "allowIn": ["1"]}, "1", None, True),
        ({"mode": "allow", "allowIn": ["1"], "denyIn": ["1"]}, "1", None, False),
        ({"mode": "deny"}, "1", None, False),
        ({"mode": "deny", "allowIn": ["1"]}, "1", None, True),
        ({"mode": "deny", "allowIn": ["1"]}, "2", "1", True),
        ({"mode": "deny", "allowIn": ["1"]}, "2", None, False),
    ],
)
def test_where_patterns_count(policy: Any, channel: str, parent: str | None, on: bool) -> None:
    """4.2: ``channels.discord.mentionPatterns``; deny wins."""
    patterns = MentionPatterns.read({"main": ["claw"]}, policy)
    assert bool(patterns.of("main", channel, parent)) is on
    assert not patterns.of("other", channel, parent)


# -- the gate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mentions", "text", "by"),
    [
        (MentionFacts(explicit=True), "claw", "explicit"),
        (MentionFacts(reply_to_bot=True), "claw", "reply"),
        (MentionFacts(), "hey claw", "pattern"),
        (MentionFacts(others=True), "hey claw, ask @bob", "pattern"),  # OR, whoever else is named
        (MentionFacts(mass=True), "@everyone claw", "pattern"),
    ],
)
def test_what_is_a_mention(mentions: MentionFacts, text: str, by: MentionedBy) -> None:
    """4.1, 4.2."""
    message = facts(ROOM, mentions=mentions, text=text, patterns=CLAW)
    told = settings(one({"ignoreOtherMentions": True}))
    decision = decide(message, told)
    assert (decision.allowed, decision.mentioned_by) == (True, by)


def test_direct_messages_never_ask_and_never_count_as_mentioned() -> None:
    """4.1, 4.3."""
    told = settings({"allowFrom": [ANN]})
    decision = decide(facts(DM, text="claw", patterns=CLAW, mentions=MentionFacts(explicit=True)), told)
    assert (decision.allowed, decision.mentioned_by, decision.mention_required) == (True, "", False)


def test_group_dms_have_no_gate() -> None:
    """3.5, 4.3."""
    told = settings({"dm": {"groupEnabled": True}, "allowFrom": [ANN]})
    group = facts(Surface("group", "80"), mentions=MentionFacts(others=True))
    assert decide(group, told).allowed


@pytest.mark.parametrize(
    ("channel", "guild", "activation", "required"),
    [
        (None, None, "", True),
        (None, False, "", False),
        (False, True, "", False),
        (True, False, "", True),
        (False, False, "mention", True),
        (True, True, "always", False),
    ],
)
def test_the_order_of_require_mention(
    channel: bool | None, guild: bool | None, activation: Any, required: bool
) -> None:
    """4.3 with decision 28."""
    section = one({"requireMention": guild, "channels": {CHANNEL: {"requireMention": channel}}})
    message = replace(facts(ROOM), session_key="s").learned(activation=activation)
    decision = decide(message, settings(section))
    assert (decision.mention_required, decision.reason) == (required, "mention-required" if required else "")


def test_activation_is_asked_for_only_where_it_matters() -> None:
    """Decision 28; what is not known keeps the gate shut."""
    told = settings(one({"requireMention": False}))
    unknown = replace(facts(ROOM), session_key="agent:main:x")
    decision = decide(unknown, told)
    assert decision.needs == {ActivationNeeded("agent:main:x")}
    assert not decision.allowed
    assert decide(replace(unknown, mentions=MentionFacts(explicit=True)), told).allowed
    assert decide(replace(unknown, service=True), told).allowed
    stranger = decide(unknown, settings(one({"users": ["9"]})))
    assert (stranger.reason, stranger.needs) == ("sender-not-listed", frozenset())


def own_thread(**more: Any) -> MessageFacts:
    place = Surface("channel", THREAD, "t", GUILD, "G", CHANNEL, "help-desk", True, "900")
    return facts(place, **more)


def test_activation_comes_before_a_thread_of_our_own() -> None:
    """4.3, decision 28."""
    told = settings(one({"channels": {CHANNEL: {"autoThread": True}}}))
    assert decide(own_thread(), told).allowed
    asked = own_thread(known=Known(activation="mention"))
    assert decide(asked, told).reason == "mention-required"


def test_nothing_is_asked_for_that_could_not_be_told() -> None:
    """4.4: neither our id nor a pattern is known."""
    unknown = replace(facts(ROOM), bot_id=None)
    assert decide(unknown, settings(one({}))).allowed
    assert decide(replace(unknown, patterns=CLAW), settings(one({}))).reason == "mention-required"


def test_a_voice_message_may_say_the_name() -> None:
    """4.1: the transcript is tested, where nothing is typed and a pattern exists."""
    told = settings(one({}))
    voice = facts(ROOM, audio=True, message_id="8", patterns=CLAW)
    assert decide(voice, told).needs == {TranscriptNeeded("8")}
    assert decide(voice.learned(transcript="hey claw"), told).mentioned_by == "pattern"
    heard = decide(voice.learned(transcript="hello"), told)
    assert (heard.reason, heard.needs) == ("mention-required", frozenset())
    for deaf in (
        replace(voice, text="look"),
        replace(voice, audio=False),
        replace(voice, patterns=NO_PATTERNS),
    ):
        assert decide(deaf, told).needs == frozenset()


@pytest.mark.parametrize(
    ("entry", "mentions", "reason"),
    [
        ({"wakeOnMassMentions": True}, MentionFacts(mass=True), ""),
        ({"wakeOnMassMentions": False}, MentionFacts(mass=True), "mention-required"),
        ({"channels": {CHANNEL: {"wakeOnMassMentions": True}}}, MentionFacts(mass=True), ""),
        (
            {"wakeOnMassMentions": True, "channels": {CHANNEL: {"wakeOnMassMentions": False}}},
            MentionFacts(mass=True),
            "mention-required",
        ),
        (
            {"requireMention": False, "channels": {CHANNEL: {"ignoreOtherMentions": True}}},
            MentionFacts(others=True),
            "other-mentioned",
        ),
        (
            {
                "requireMention": False,
                "ignoreOtherMentions": True,
                "channels": {CHANNEL: {"ignoreOtherMentions": False}},
            },
            MentionFacts(others=True),
            "",
        ),
        ({"requireMention": False, "ignoreOtherMentions": True}, MentionFacts(mass=True), ""),
    ],
)
def test_mass_mentions_and_mentions_of_others(
    entry: dict[str, Any], mentions: MentionFacts, reason: str
) -> None:
    """4.1, 4.4, decision 5: channel entry, guild entry, account."""
    assert decide(facts(ROOM, mentions=mentions), settings(one(entry))).reason == reason


def test_the_account_may_wake_on_mass_mentions() -> None:
    """Decision 5."""
    told = settings(one({}, wakeOnMassMentions=True))
    assert decide(facts(ROOM, mentions=MentionFacts(mass=True)), told).mentioned_by == "mass"


def test_a_command_that_names_anybody_is_not_for_us() -> None:
    """4.4: ``/reset @bob`` and ``/reset @everyone`` need a mention."""
    told = settings(one({}, allowFrom=[ANN]))
    assert decide(facts(ROOM, command=True), told).mentioned_by == "command"
    for mentions in (MentionFacts(others=True), MentionFacts(mass=True)):
        assert decide(facts(ROOM, command=True, mentions=mentions), told).reason == "mention-required"


def test_notices_skip_the_gate_and_not_access() -> None:
    """Decision 26."""
    notice = facts(ROOM, service=True, has_content=False)
    assert decide(notice, settings(one({}))).allowed
    assert decide(notice, settings(one({"users": ["9"]}))).reason == "sender-not-listed"
