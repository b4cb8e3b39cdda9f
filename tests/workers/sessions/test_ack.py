"""Which messages are acknowledged, and with what (``spec/inbound.md`` 7.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import config
from shoal.state.effects import Push
from tests.workers.sessions.helpers import ANN, GUILD, View, event, in_guild, message
from workers.access.decision import Decision
from workers.sessions.ack import AckSettings, ack_of, plain_emoji
from workers.sessions.admission import admit
from workers.sessions.records import ChatType, decode_turn
from workers.sessions.view import settings_of

CALLED = Decision(True, mention_required=True, mentioned_by="explicit")
OPEN = Decision(True)
NAMED = Decision(True, mentioned_by="explicit")


@pytest.mark.parametrize(
    ("scope", "direct", "group", "open_channel", "called"),
    [
        ("all", True, True, True, True),
        ("direct", True, False, False, False),
        ("group-all", False, True, True, True),
        ("group-mentions", False, False, False, True),
        ("off", False, False, False, False),
        ("none", False, False, False, False),
    ],
)
def test_scopes(scope: Any, direct: bool, group: bool, open_channel: bool, called: bool) -> None:
    settings = AckSettings(scope)
    places: list[tuple[ChatType, Decision, bool]] = [
        ("direct", OPEN, direct),
        ("group", OPEN, group),
        ("channel", OPEN, open_channel),
        ("channel", NAMED, open_channel),
        ("channel", CALLED, called),
    ]
    for chat_type, decision, wanted in places:
        assert bool(ack_of(settings, chat_type, "main", decision)) is wanted, (chat_type, decision)


def test_a_command_that_bypassed_the_gate_is_acknowledged() -> None:
    decision = Decision(True, mention_required=True, mentioned_by="command")
    assert ack_of(AckSettings(), "channel", "main", decision) == "👀"


def test_the_name_of_a_custom_emoji_means_that_of_the_guild() -> None:
    """Manual 002, "Ack reactions": "Unicode, or the name of a custom emoji". One that is not known is none: a
    refused request for each message would count against the bot."""
    names = {"blob": {"50": "850", "51": "851"}}
    for written in ("blob", ":blob:"):
        settings = AckSettings("all", (written,), names=names)
        assert ack_of(settings, "channel", "main", OPEN, "51") == "blob:851"
        assert ack_of(settings, "channel", "main", OPEN, "52") == "blob:850"
        assert ack_of(settings, "direct", "main", OPEN) == "blob:850"
    assert ack_of(AckSettings("all", ("blob",)), "channel", "main", OPEN, "51") == ""


@pytest.mark.parametrize(
    ("emojis", "agents", "expected"),
    [
        ((None, None), {}, "👀"),
        ((None, None), {"main": "🦈"}, "🦈"),
        ((None, None), {"other": "🦈"}, "👀"),
        ((None, "✅"), {"main": "🦈"}, "✅"),
        (("🐟", "✅"), {}, "🐟"),
        (("", "✅"), {}, ""),
        ((None, ""), {"main": "🦈"}, ""),
        ((None, None), {"main": ""}, ""),
        (("<:blob:12345>", None), {}, "blob:12345"),
    ],
)
def test_the_cascade(emojis: Any, agents: dict[str, str], expected: str) -> None:
    assert ack_of(AckSettings("all", emojis, agents), "direct", "main", OPEN) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("👀", "👀"),
        (" 👨‍💻 ", "👨‍💻"),
        ("apple:123456", "apple:123456"),
        (":apple:123456", "apple:123456"),
        ("<:apple:123456>", "apple:123456"),
        ("<a:apple:123456>", "apple:123456"),
        ("", ""),
    ],
)
def test_forms(written: str, expected: str) -> None:
    assert plain_emoji(written) == expected


def test_the_turn_takes_it_along() -> None:
    view = View({"guilds": {GUILD: {}}, "allowFrom": [ANN]}, ack=AckSettings(emojis=("🐟",)))
    [request] = [
        decode_turn(effect.record.body)
        for effect in admit(event(in_guild()), view).effects
        if isinstance(effect, Push)
    ]
    assert request.ack == "🐟"
    [private] = [
        decode_turn(effect.record.body)
        for effect in admit(event(message()), view).effects
        if isinstance(effect, Push)
    ]
    assert private.ack == ""


@pytest.mark.parametrize(
    ("discord", "account", "messages", "expected"),
    [
        ({}, {}, {}, ("group-mentions", "🦈")),
        ({}, {}, {"ackReaction": "✅", "ackReactionScope": "all"}, ("all", "✅")),
        ({"ackReaction": "🐟"}, {}, {"ackReaction": "✅"}, ("group-mentions", "🐟")),
        ({"ackReaction": "🐟", "ackReactionScope": "direct"}, {"ackReaction": ""}, {}, ("direct", "")),
        ({}, {"ackReactionScope": "group-all"}, {"ackReactionScope": "all"}, ("group-all", "🦈")),
    ],
)
def test_from_the_file(
    tmp_path: Path,
    discord: dict[str, Any],
    account: dict[str, Any],
    messages: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    token = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"
    section = {**discord, "accounts": {"default": {"token": token, **account}}}
    written = {
        "channels": {"discord": section},
        "messages": messages,
        "agents": {"list": [{"id": "main", "identity": {"emoji": "🦈"}}]},
    }
    path = tmp_path / "shoal.json"
    path.write_text(json.dumps(written))
    settings = settings_of(config.load(path, env={}, state_dir=tmp_path), "default").ack
    assert (settings.scope, settings.emoji("main")) == expected
