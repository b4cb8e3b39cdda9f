"""What the model server was asked in a chaos run, read from its log; shares no code with the fleet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.chaos.forms import TAG

__all__ = ["ModelCall", "read_calls"]

ASKED = re.compile(r"please answer (m-\d{6})")
FAILED_TOOL = ("Interrupted: ", " failed", "did not take", "may have been")
"""Words of tool results that say that something was not done, or perhaps not."""
QUEUED_TOOL = '"queued":true'
"""Words of a tool result that promise that something will be sent, but cannot say yet as what."""
CUT_OFF = "[Your answer above was cut off there"
"""How a model is told to go on; no message of anybody."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A request to the model; ``outcome`` is done, error, cut or gone, or nothing if it never ended.

    ``asked``: tags of the messages the running turn is for, the first the one it began with.
    """

    time: float
    tag: str
    stamp: str
    outcome: str
    asked: tuple[str, ...] = ()
    failed: bool = False
    """A tool told the model that something was not done, or perhaps not."""
    queued: bool = False
    """A tool told the model that something will be sent."""


def read_calls(lines: Iterator[dict[str, Any]], *, alone: bool) -> list[ModelCall]:
    """Every request of a model server's log.

    Args:
        alone: a turn is for its newest message only (mode ``interrupt``).
    """
    starts: dict[int, dict[str, Any]] = {}
    ends: dict[int, str] = {}
    for line in lines:
        if line["kind"] == "start":
            messages = _without_note((line.get("body") or {}).get("messages", []))
            asked = [m for m in messages if m.get("role") == "user"]
            tags = TAG.findall(_text(asked[-1].get("content"))) if asked else []
            starts[line["request"]] = {
                "time": line["time"],
                "tag": tags[-1] if tags else "",
                "stamp": line["stamp"],
                "asked": tuple(tags[-1:]) if alone else _of_this_turn(messages),
                "failed": _tool_said(messages, *FAILED_TOOL),
                "queued": _tool_said(messages, QUEUED_TOOL),
            }
        elif line["kind"] == "end":
            ends[line["request"]] = line["outcome"]
    return [
        ModelCall(
            start["time"],
            start["tag"],
            start["stamp"],
            ends.get(number, ""),
            start["asked"],
            start["failed"],
            start["queued"],
        )
        for number, start in starts.items()
    ]


def _without_note(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the model was asked, where it is only told to go on with its answer."""
    going_on = bool(messages) and _text(messages[-1].get("content")).startswith(CUT_OFF)
    return messages[:-2] if going_on else messages


def _running(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What belongs to the turn that runs: all behind the last answer without tool calls."""
    ends = [i for i, m in enumerate(messages) if m.get("role") == "assistant" and not m.get("tool_calls")]
    return messages[ends[-1] + 1 if ends else 0 :]


def _of_this_turn(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    texts = [_text(m.get("content")) for m in _running(messages) if m.get("role") == "user"]
    return tuple(dict.fromkeys(tag for text in texts for tag in ASKED.findall(text)))


def _tool_said(messages: list[dict[str, Any]], *words: str) -> bool:
    results = [_text(m.get("content")) for m in _running(messages) if m.get("role") == "tool"]
    return any(word in result for result in results for word in words)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")
