"""Previews through a whole fleet: the draft appears, the answer is there once, nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.fleet import FleetUnderTest

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
