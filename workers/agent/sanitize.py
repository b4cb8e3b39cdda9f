"""What a model wrote, made fit to be shown: copied envelopes, scaffolding and silence out.

Envelopes are what the prompt wrapped around the user's words (``workers.agent.prompt``).
Models copy them; they leak ids and look like a bug. They are stripped on every way out,
anchored at the start and the end only: the same words in prose or code stay
(``spec/inbound.md`` 6.7, ``spec/outbound.md`` 3.2).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

__all__ = [
    "SILENT",
    "Cleaned",
    "clean_answer",
    "held_back",
    "is_silent",
    "normalised",
    "strip_envelopes",
    "strip_silent",
]

SILENT = "NO_REPLY"
"""What a model writes to say nothing."""

_BLOCK = re.compile(
    r"\A\s*[^\n`]{0,120}\((?:untrusted metadata|untrusted, for context)\):?[ \t]*\n"
    r"```json\n.*?\n```[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
_ENVELOPE = re.compile(
    r"\A\s*\[(?:Discord [^\]\n]{1,300}"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]* \d{4}-\d\d-\d\d[^\]\n]{0,40})\][ \t]?"
)
_MARKER = re.compile(
    r"\A\s*\[(?:Current message - respond to this|Chat messages since your last reply - for context)\]"
    r"[ \t]*\n?"
)
_ID_NOTE = r"\[(?:message_id|from|discord message id|id):[ \t][^\]\n]{1,200}\]"
_ID_LINE_START = re.compile(rf"\A\s*{_ID_NOTE}[ \t]*\n?")
_ID_LINE_END = re.compile(rf"(?:\n|\A|[ \t]+){_ID_NOTE}\s*\Z")
_SUFFIX = re.compile(r"\n*<<<EXTERNAL[^\n]*>>>.*\Z", re.DOTALL)
_THINK = re.compile(r"<(think|thinking|reasoning|reflection)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_TOOL_LEAK = re.compile(
    r"<(tool_call|function_call|tool_calls|function_calls|invoke)\b[^>]*>.*?(?:</\1>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_TAGS = re.compile(r"</?(?:final|answer|assistant|output)>", re.IGNORECASE)
_REPLY_TAG = re.compile(r"\[\[\s*reply_to(?:_current|\s*:\s*(\d{5,25}))\s*\]\]", re.IGNORECASE)
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An answer ready to be sent.

    Attributes:
        text: what people see; empty if nothing is left.
        silent: the model chose to say nothing.
        reply_to: id the model wants to answer to, ``"current"``, or empty.
    """

    text: str
    silent: bool = False
    reply_to: str = ""


def clean_answer(text: str) -> Cleaned:
    """The visible part of a model's answer."""
    body = strip_envelopes(_outside_code(text, lambda part: _TOOL_LEAK.sub("", _THINK.sub("", part))))
    if is_silent(body):
        return Cleaned("", silent=True)
    body, reply_to = _take_reply_tag(body)
    body = _outside_code(body, lambda part: _TAGS.sub("", part))
    body = strip_silent(body)
    body = re.sub(r"[ \t]+\n", "\n", body)
    body = re.sub(r"\n{3,}", "\n\n", body).strip()
    return Cleaned(body, silent=not body and SILENT in text.upper(), reply_to=reply_to)


def strip_envelopes(text: str) -> str:
    """``text`` without copied metadata at its start and end; nothing in the middle changes."""
    while True:
        before = text
        for pattern in (_BLOCK, _MARKER, _ENVELOPE, _ID_LINE_START):
            text = pattern.sub("", text, count=1)
        text = _ID_LINE_END.sub("", text, count=1)
        text = _SUFFIX.sub("", text, count=1)
        if text == before:
            return text.strip()


def is_silent(text: str) -> bool:
    """Whether the whole text is the silent token, bare or as ``{"action": "NO_REPLY"}``."""
    bare = text.strip().strip("*`").strip()
    if bare.upper() == SILENT:
        return True
    if not bare.startswith("{"):
        return False
    try:
        data = json.loads(bare)
    except ValueError:
        return False
    return isinstance(data, dict) and set(data) == {"action"} and data["action"] == SILENT


def strip_silent(text: str) -> str:
    """The token removed where it trails, or where it is glued to the front of the answer."""
    text = re.sub(rf"(?:(?<=\s)|(?<=\*)|\A){SILENT}[*.\s]*\Z", "", text)
    return re.sub(rf"\A\s*{SILENT}(?=[A-Za-z0-9])", "", text)


def held_back(text: str) -> bool:
    """While streaming: the text may still become the silent token, so show nothing yet."""
    bare = text.strip()
    return bool(bare) and len(bare) >= 2 and SILENT.startswith(bare)


def normalised(text: str) -> str:
    """For comparing what was sent with what is about to be: case and white space do not count."""
    return " ".join(text.split()).casefold()


def _take_reply_tag(text: str) -> tuple[str, str]:
    found = ""
    for match in _REPLY_TAG.finditer(text):
        found = match.group(1) or "current"
    return _REPLY_TAG.sub("", text), found


def _outside_code(text: str, change: object) -> str:
    assert callable(change)
    parts = _CODE.split(text)
    return "".join(part if index % 2 else str(change(part)) for index, part in enumerate(parts))
