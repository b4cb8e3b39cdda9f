"""Previews through a whole fleet: the draft appears, the answer is there once, nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest
from bench.rows.streaming import stream, tokens

pytestmark = pytest.mark.slow

WORDS = [f"Word {number} of a slow answer. " for number in range(20)]
ANSWER = "".join(WORDS).strip()
SEARCH = {"tool_calls": [{"name": "memory_search", "arguments": {"query": "fish"}}]}
AGAIN = {"tool_calls": [{"name": "memory_search", "arguments": {"query": "bread"}}]}


def config(mode: str) -> dict[str, Any]:
    return {
        "channels": {"discord": {"streaming": {"mode": mode}}},
        "messages": {"groupChat": {"visibleReplies": "automatic"}},
    }


def shown(fleet: FleetUnderTest, after: str) -> list[str]:
    return [message["content"] for message in fleet.bot_messages("general", after)]


def until(
    fleet: FleetUnderTest, after: str, wanted: Callable[[list[str]], bool], timeout: float = 40
) -> None:
    ends = time.monotonic() + timeout
    while not wanted(shown(fleet, after)):
        assert time.monotonic() < ends, (shown(fleet, after), fleet.said())
        time.sleep(0.1)


def ask(fleet: FleetUnderTest) -> str:
    slow = {"text": WORDS, "chunk_delay": 0.25}
    fleet.models.script([SEARCH, AGAIN, slow, slow, slow])
    return str(fleet.control.say("general", f"<@{fleet.bot['id']}> look it up")["id"])


def kill(fleet: FleetUnderTest, kind: str) -> None:
    for pid in fleet.pids("worker", kind):
        os.kill(pid, signal.SIGKILL)


def settled(fleet: FleetUnderTest, after: str) -> None:
    until(fleet, after, lambda texts: texts == [ANSWER])
    time.sleep(2.0)
    assert shown(fleet, after) == [ANSWER]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["progress", "partial"])
def test_a_slow_turn_is_shown_and_answered_once(make_fleet: Callable[..., FleetUnderTest], mode: str) -> None:
    fleet = make_fleet(config(mode))
    preview = "Memory Search" if mode == "progress" else "Word 1"

    def seen(texts: list[str]) -> bool:
        return any(preview in text and text != ANSWER for text in texts)

    asked = ask(fleet)
    until(fleet, asked, seen)
    settled(fleet, asked)
    for victim in ("turns", "back"):
        asked = ask(fleet)
        until(fleet, asked, seen)
        kill(fleet, victim)
        settled(fleet, asked)


PARAGRAPHS = [f"Paragraph {number} of an answer in blocks, with some words in it." for number in range(8)]
BLOCKS: dict[str, Any] = {
    "channels": {"discord": {"streaming": {"block": {"enabled": True, "coalesce": {"minChars": 40}}}}},
    "agents": {
        "defaults": {
            "blockStreamingChunk": {"minChars": 40, "maxChars": 80},
            "blockStreamingCoalesce": {"maxChars": 80},
            "humanDelay": {"mode": "custom", "minMs": 200, "maxMs": 400},
        }
    },
    "messages": {"groupChat": {"visibleReplies": "automatic"}, "responsePrefix": "[bot]"},
}


@pytest.mark.timeout(300)
def test_an_answer_in_blocks_is_whole_whoever_dies(make_fleet: Callable[..., FleetUnderTest]) -> None:
    """4.6: a killed worker repeats no block and leaves none out; the prefix is there once."""
    fleet = make_fleet(BLOCKS)
    words = [f"{word} " for word in "\n\n".join(PARAGRAPHS).split(" ")]
    wanted = [f"[bot] {PARAGRAPHS[0]}", *PARAGRAPHS[1:]]
    slow = {"match": "look it up|cut off", "text": words, "chunk_delay": 0.05}
    fleet.models.script([slow])
    for victim in ("", "turns", "back"):
        asked = str(fleet.control.say("general", f"<@{fleet.bot['id']}> look it up")["id"])
        if victim:
            until(fleet, asked, lambda texts: len(texts) >= 2)
            kill(fleet, victim)
        until(fleet, asked, lambda texts: len(texts) >= len(wanted))
        time.sleep(1.0)
        assert shown(fleet, asked) == wanted, victim


@pytest.mark.timeout(300)
def test_many_answers_stream_at_once_within_the_limits(tmp_path: Path) -> None:
    """No 429 at all, each preview moves, each final is exact. How old the text is, the bench measures."""
    count = 80
    previews, refused, _ = stream(tmp_path / "many", 10, count)
    assert refused == []
    assert [preview.final for preview in previews] == 10 * [["".join(tokens(count)).strip()]]
    assert all(len(preview.shown) >= 3 for preview in previews)
    newest = [[number for _, number in preview.shown] for preview in previews]
    assert all(numbers == sorted(numbers) for numbers in newest)
