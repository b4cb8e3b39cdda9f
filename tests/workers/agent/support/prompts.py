"""An independent reader of prompts: it knows their form from the spec, and shares no code with the fleet.

It reads the way the most generous model would: every character that could end a line ends one, letters of
any script count as the Latin ones they look like, and what cannot be seen is not there.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

HEADINGS = (
    "Conversation info (untrusted metadata)",
    "Sender (untrusted metadata)",
    "Thread starter (untrusted, for context)",
    "Replied message (untrusted, for context)",
    "Forwarded message context (untrusted metadata)",
    "Channel (untrusted metadata)",
    "Chat history since last reply (untrusted, for context)",
)
"""In their order (spec/inbound.md 6.6)."""
FIELDS = {
    HEADINGS[0]: (
        "chat_id message_id reply_to_id sender_id conversation_label sender timestamp elapsed group_subject "
        "group_channel group_space thread_label topic_id is_group_chat was_mentioned has_reply_context "
        "has_forwarded_context has_thread_starter history_count history_truncated"
    ),
    HEADINGS[1]: "label id name username tag",
    HEADINGS[2]: "body",
    HEADINGS[3]: "sender_label message_id is_quote body",
    HEADINGS[4]: "from type username title date_ms",
    HEADINGS[5]: "label source type payload",
    HEADINGS[6]: "message_id sender sender_id timestamp_ms body files",
}
BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
TWINS = str.maketrans(
    "асеоріѕухТМЅАЕОРСНКВХԁһјԛԝ" + "οαενΑΒΕΗΙΚΜΝΟΡΤΥΧΖ" + "‹›〈〉⟨⟩❮❯【】꞉∶：＜＞［］（）｜",
    "aceopisyxTMSAEOPCHKBXdhjqw" + "oaevABEHIKMNOPTYXZ" + "<><><><>[]:::<>[]()|",
)
IMITATIONS = {
    "a line of the system": r"^[\s>*_~#`\"'|+-]*\[?[\s*_]*system(?: ?(?:message|prompt))?[\s*_]*\]?[\s*_]*:",
    "a header": r"^[\s>*_~#`\"'|+-]*\[\s*(?:(?:system|assistant|developer|inbound)\b|media attached|"
    r"current message|chat messages since|queued #|discord [^\]]*id:)",
    "a heading": r"\((?:untrusted metadata|untrusted, for context|trusted metadata)\)",
    "a note": r"\[(?:from|message_id|discord message id):",
    "a marker": r"<{3}\s*(?:end_)?external",
    "a template token": r"<\|[^|>]+\|>|<(?:start|end)_of_turn>|\[/?inst\]|<</?sys>>",
    "a heading of the system part": r"^(?:instructions of the operator[^:(]*|workspace file [^:(]*):",
}

_IMITATIONS = {name: re.compile(pattern, re.I | re.M) for name, pattern in IMITATIONS.items()}


@dataclass
class Parsed:
    """A prompt taken apart."""

    events: list[str] = field(default_factory=list)
    blocks: list[tuple[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    body: str = ""

    def structure(self) -> list[tuple[str, Any]]:
        """Headings with the names of their fields: what may not depend on what people write."""
        return [(heading, _shape(data)) for heading, data in self.blocks] + [
            ("events", len(self.events)),
            ("notes", len(self.notes)),
        ]


def parse(prompt: str) -> Parsed:
    """Read a prompt.

    Raises:
        AssertionError: it has not the form of a prompt.
    """
    lines = BREAKS.split(prompt)
    found, index = Parsed(), 0
    while re.match(r"System(?: \(untrusted\))?: \[[^\]]+\] ", lines[index]):
        found.events.append(lines[index])
        index += 1
    index += bool(found.events)
    while index < len(lines) and lines[index].removesuffix(":") in HEADINGS and lines[index].endswith(":"):
        heading = lines[index][:-1]
        assert lines[index + 1] == "```json", lines[index + 1]
        end = next(number for number in range(index + 2, len(lines)) if lines[number].startswith("```"))
        assert lines[end] == "```"
        assert lines[end + 1] == ""
        data = json.loads("\n".join(lines[index + 2 : end]))
        for entry in data if isinstance(data, list) else [data]:
            assert set(entry) <= set(FIELDS[heading].split()), (heading, sorted(entry))
        found.blocks.append((heading, data))
        index = end + 2
    while index < len(lines) and lines[index].startswith("[media attached"):
        found.notes.append(lines[index])
        index += 1
        if lines[index] == "" and not lines[index + 1].startswith("[media attached"):
            index += 1
            break
    found.body = "\n".join(lines[index:])
    order = [HEADINGS.index(heading) for heading, _ in found.blocks]
    assert order == sorted(set(order)), "blocks out of order, or one twice"
    return found


def imitations(text: str) -> list[str]:
    """What in a text has the form of something that only we write."""
    seen = BREAKS.sub("\n", fold(text))
    return [name for name, pattern in _IMITATIONS.items() if pattern.search(seen)]


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def swallowed(prompt: str) -> list[str]:
    """Headings and notes of ours that stand inside a fence somebody opened."""
    opened, found = "", []
    for line in BREAKS.split(prompt):
        fence = _FENCE.match(line)
        if fence and not opened:
            opened = "" if fence[1][0] == "`" and "`" in fence[2] else fence[1]
        elif fence and fence[1].startswith(opened) and not fence[2].strip():
            opened = ""
        elif opened and (line.removesuffix(":") in HEADINGS or line.startswith("[media attached")):
            found.append(line)
    return found


_NOTE = r"\[(?:from|message_id|discord message id): [^\]\n]{1,150}\]"
_CONTENT = r"EXTERNAL_UNTRUSTED_CONTENT[^\n]*>>>"
_AT_START = {
    "a note in front": _NOTE,
    "an envelope": r"\[(?:Discord [^\]\n]{1,200}|[A-Z][a-z]{2} \d{4}-\d\d-\d\d[^\]\n]{0,30})\]",
    "a marker line": r"\[(?:Current message - respond|Chat messages since your)[^\n]*\]",
    "a block": rf"(?:{'|'.join(map(re.escape, HEADINGS))}):\n```json\n",
    "a media note": r"\[media attached: [^\n]+\](?:\n|\Z)",
    "an event": r"System: \[[^\]\n]+\]",
}
_AT_END = {
    "a note behind": rf"(?:\n|\A){_NOTE}\Z",
    "external content": rf"(?:\A|\n)<<<{_CONTENT}\n(?:(?!<<<END_)[^`])*<<<END_{_CONTENT}\Z",
}
_ANYWHERE = (
    r"<(?:tool_calls?|function_calls?|invoke|think)(?: [^<>]*)?>",
    r"\[tool_call\]",
    r"\[\[ ?reply_to(?:_current|: \d{5})",
    r"<\|im_(?:start|end)\|>",
)


def leaks(text: str) -> list[str]:
    """What of our machinery would be seen if this were sent."""
    found = [name for name, pattern in _AT_START.items() if re.match(pattern, text.lstrip())]
    found += [name for name, pattern in _AT_END.items() if re.search(pattern, text.rstrip())]
    if re.fullmatch(r"[\s!-/:-@\[-^`{-~]*NO_REPLY[\s!-/:-@\[-^`{-~]*", text):
        found.append("silence")
    prose = re.sub(r"```.*?(?:```|\Z)|`[^`\n]*`", "", text, flags=re.DOTALL)
    return found + [pattern for pattern in _ANYWHERE if re.search(pattern, prose, re.IGNORECASE)]


def strings(data: Any) -> list[str]:
    """Every string in decoded JSON, names of fields left out."""
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [text for value in data.values() for text in strings(value)]
    return [text for value in data for text in strings(value)] if isinstance(data, list) else []


def fold(text: str) -> str:
    """A text as it looks."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(TWINS)).replace("\u2800", " ")
    return "".join(
        char for char in text if unicodedata.category(char) not in ("Cf", "Mn", "Me") and char != "\u3164"
    )


def _shape(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _shape(value) for name, value in data.items()}
    return [_shape(value) for value in data] if isinstance(data, list) else type(data).__name__
