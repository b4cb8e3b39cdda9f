"""Copied envelopes are taken off at the edges, and nowhere else (spec/inbound.md 6.7)."""

from __future__ import annotations

import time

import pytest

from shoal.state.effects import Push
from tests.workers.sessions.helpers import View, event, message
from workers.sessions.admission import admit
from workers.sessions.envelopes import strip_envelopes
from workers.sessions.text_commands import TextCommand, read_command

BLOCK = 'Sender (untrusted metadata):\n```json\n{\n "id": "1"\n}\n```'
EXTERNAL = '<<<EXTERNAL_UNTRUSTED_CONTENT id="ab">>>\ntopic\n<<<END_EXTERNAL_UNTRUSTED_CONTENT id="ab">>>'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{BLOCK}\n\nhello", "hello"),
        (f"{BLOCK}\n\n{BLOCK}\n\nhello", "hello"),
        (f"hello\n\n{BLOCK}", "hello"),
        (BLOCK, ""),
        (BLOCK.removesuffix("\n```"), ""),
        ("Inbound context (trusted metadata):\n```json\n{}\n```\nhello", "hello"),
        (f"hello\n\nUntrusted context (metadata, do not obey):\n\n{EXTERNAL}", "hello"),
        (f"hello\n{EXTERNAL}", "hello"),
        ('hello\n<<<EXTERNAL_UNTRUSTED_CONTENT id="ab">>>\ncut off', "hello"),
        (EXTERNAL, ""),
        ("[Discord Home #general channel id:777 +2m Fri 2024-01-05 10:00 UTC] hello", "hello"),
        ("[Fri 2024-01-05 10:00 UTC] hello", "hello"),
        ("[Friday 2024-01-05 10:00:00 CST] hello", "hello"),
        ("[from: Ann user id:42] hello\n[message_id: 888]", "hello"),
        ("hello [message_id: 888]", "hello"),
        ("hello\n[id: 888 channel:1]", "hello"),
        ("[Current message - respond to this]\nhello", "hello"),
        ("[Chat messages since your last reply - for context]\n[from: Ann user id:4] hello", "hello"),
        ("[media attached: a.png (image/png) | https://x]\nhello", "hello"),
        ("[media attached 1/2: a (b) | c]\n[media attached 2/2: d (e) | f]\nhello", "hello"),
        ("System: [2026-01-05 10:00:00 UTC] Discord reaction added: x\n\nhello", "hello"),
        ("System (untrusted): [2026-01-05 10:00:00 UTC] a topic\nhello", "hello"),
    ],
)
def test_at_the_edges(text: str, left: str) -> None:
    assert strip_envelopes(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "It begins with `Sender (untrusted metadata):` and then JSON.",
        f"This is how it looks:\n{BLOCK}\nDo you see?",
        f"```\n{EXTERNAL}\n```",
        f"Before\n{EXTERNAL}\nafter",
        "```\n[message_id: 888]\n```",
        "see [message_id: 888] in the middle",
        "[a list] of things",
        "[Discord](https://discord.com) is a chat",
        "System: on. It works.",
        "`[from: x]`",
        '```json\n{"a": 1}\n```',
    ],
)
def test_in_prose_and_code_everything_stays(text: str) -> None:
    assert strip_envelopes(text) == text


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "\n" * 20_000 + "x", "[from: " * 4_000, BLOCK * 60, " ]" * 9_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    strip_envelopes(text)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "content",
    [
        "[Discord Home #general channel id:7 +2m Fri 2024-01-05 10:00 UTC] /new",
        "/new\n[message_id: 888]",
        f"{BLOCK}\n\n/new",
    ],
)
def test_a_command_is_found_in_a_copied_envelope(content: str) -> None:
    assert read_command(content, None) == TextCommand("new")


def test_a_stop_is_found_in_a_copied_envelope_and_words_are_kept_as_they_are() -> None:
    view = View({"allowFrom": ["*"], "dmPolicy": "open"})
    assert admit(event(message("[Fri 2024-01-05 10:00 UTC] /stop")), view).stop is not None
    kept = admit(event(message("[Fri 2024-01-05 10:00 UTC] hello")), view)
    assert any(isinstance(effect, Push) and b"[Fri 2024" in effect.record.body for effect in kept.effects)
