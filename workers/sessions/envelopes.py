"""What our prompts wrap around words, found and taken off again (``spec/inbound.md`` 6.7).

Models copy the form of a prompt into their answers, and people paste it. Both leak ids and look like a
bug. It is stripped on every way out and before a command is looked for: anchored at the start and the
end only, so the same words in prose or in code stay.
"""

from __future__ import annotations

import re

__all__ = [
    "CHANNEL",
    "CONVERSATION",
    "FORWARDED",
    "GIVEN_WAY",
    "HISTORY",
    "QUOTED",
    "SENDER",
    "THREAD_STARTER",
    "strip_envelopes",
]

CONVERSATION = "Conversation info (untrusted metadata)"
SENDER = "Sender (untrusted metadata)"
THREAD_STARTER = "Thread starter (untrusted, for context)"
QUOTED = "Replied message (untrusted, for context)"
FORWARDED = "Forwarded message context (untrusted metadata)"
CHANNEL = "Channel (untrusted metadata)"
HISTORY = "Chat history since last reply (untrusted, for context)"
GIVEN_WAY = "Messages dropped because too many waited (untrusted, for context)"
"""Headings of the blocks, in their order."""

_HEADING = r"[^\n`]{0,120}\((?:(?:un)?trusted metadata|untrusted, for context)\):?[ \t]*"
_NOTE = r"\[(?:message_id|from|discord message id|id):[ \t][^\]\n]{1,200}\]"
_MEDIA = r"\[media attached(?: \d+/\d+)?: [^\n]{1,2000}\]"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]* \d{4}-\d\d-\d\d"

_AT_START = tuple(
    re.compile(rf"\A\s*(?:{pattern})", re.DOTALL)
    for pattern in (
        # the JSON of a block has no line that begins with a fence, so the first one ends it
        rf"{_HEADING}\n```(?:json)?[ \t]*\n.*?(?:\n```[ \t]*(?:\n|\Z)|\Z)",
        r"\[(?:Current message - respond to this|Chat messages since your last reply - for context)\]"
        r"[ \t]*\n?",
        r"\[Your answer above was cut off there[^\]\n]{0,300}\][ \t]*\n?",
        r"\[Queued (?:messages while you were busy|#\d+ of \d+)[^\]\n]{0,300}\][ \t]*\n?",
        rf"\[(?:Discord [^\]\n]{{1,300}}|{_DAY}[^\]\n]{{0,40}})\][ \t]?",
        rf"{_NOTE}[ \t]*\n?",
        rf"{_MEDIA}[ \t]*(?:\n|\Z)",
        r"System(?: \(untrusted\))?: \[[^\]\n]{1,60}\][^\n]*(?:\n|\Z)",
    )
)
_AT_END = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"(?:\n|\A|[ \t]){_NOTE}\s*\Z",
        rf"(?:\n|\A){_MEDIA}\s*\Z",
        rf"(?:\n|\A){_HEADING}\n```(?:json)?[ \t]*\n(?:(?!\n```).)*\n```\s*\Z",
    )
)
_EXTERNAL = "<<<EXTERNAL_UNTRUSTED_CONTENT"
_EXTERNAL_END = "<<<END_EXTERNAL_UNTRUSTED_CONTENT"
_EXTERNAL_HEADING = re.compile(r"(?:\A|\n)Untrusted context [^\n]*:[ \t]*\n*\Z")


def strip_envelopes(text: str) -> str:
    """``text`` without copied metadata at its start and end; nothing in the middle changes."""
    text = text.strip()
    while True:
        before = text
        for pattern in _AT_START:
            text = pattern.sub("", text, count=1)
        if text.endswith(("]", "`")):
            for pattern in _AT_END:
                text = pattern.sub("", text, count=1)
        text = _without_suffix(text).strip()
        if text == before:
            return text


def _without_suffix(text: str) -> str:
    """``text`` without external content in its markers at the end, closed or cut off."""
    start = 0 if text.startswith(_EXTERNAL) else text.rfind(f"\n{_EXTERNAL}") + 1
    if not start and not text.startswith(_EXTERNAL):
        return text
    end = text.find(_EXTERNAL_END, start)
    if end >= 0 and not re.fullmatch(r"[^\n>]*>{0,3}\s*", text[end + len(_EXTERNAL_END) :]):
        return text  # more follows: it stands in the middle
    if text.count("```", 0, start) % 2:
        return text  # in a code block
    return _EXTERNAL_HEADING.sub("", text[:start].rstrip())
