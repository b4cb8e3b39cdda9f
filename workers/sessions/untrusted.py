"""Texts that other people wrote, made unable to pose as ours.

A prompt has a form of its own: blocks under headings, lines of the system, notes about ids and files. A
model tells ours from a stranger's only by that form, so nothing that comes from outside may have it,
in whatever letters it is written (``spec/inbound.md`` 6.4, 6.6). What is changed stays readable: brackets
become round, ``System:`` becomes ``System (untrusted):``.
"""

from __future__ import annotations

import re

from workers.sessions.lookalikes import positions, skeleton

__all__ = ["FIELD_CHARS", "bounded", "field_text", "header_value", "neutral", "plain_lines"]

FIELD_CHARS = 2_000
"""Characters kept of one string in a block."""

_BREAKS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_JUNK = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\U000e0000-\U000e01ef]")
"""Control characters, and what is invisible and by which text is smuggled past people: the twins of ASCII,
and the 240 further variation selectors, one for each byte."""
_TICKS = re.compile("`{3,}")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_GAP = r"[^\S\n]"
_LEAD = rf"^((?:{_GAP}|[>*_~#`\"'|+-])*+)"
_HEADERS = "|".join(
    (
        r"system\b|assistant\b|developer\b|inbound\b|operator\b|tool\b|instructions?\b|internal\b",
        r"discord[ :]|id:|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? \d{4}-\d\d",
        r"current message\b|chat messages since\b|media attached\b|replying to\b|queued (?:#|messages)",
        r"queued (?:messages|#)",
    )
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_SYSTEM = re.compile(
    rf"{_LEAD}\[?(?:{_GAP}|[*_])*+system(?:[ _-]?(?:message|prompt|note|event))?"
    rf"{_GAP}*+(?:\([^)\n]{{0,60}}\)|\[[^\]\n]{{0,60}}\])?"
    rf"(?:{_GAP}|[*_])*+\]?(?:{_GAP}|[*_])*+:",
    _FLAGS,
)
_HEADER = re.compile(
    rf"{_LEAD}\[{_GAP}*+((?:{_HEADERS})[^\[\]\n]{{0,300}}+)(?:\](?!\(https?://)|(?!\]))", _FLAGS
)
_ID_NOTE = re.compile(
    rf"\[{_GAP}*+((?:(?:discord )?message[_ ]id|from){_GAP}*+:[^\[\]\n]{{0,300}})\]?", _FLAGS
)
_HEADING = re.compile(r"\(\s*+((?:un)?trusted[\s,]*+(?:metadata|for\s+context))\s*\)", _FLAGS)
_OURS = re.compile(
    rf"{_LEAD}(instructions of the operator[^(:\n]{{0,60}}|workspace file [^(:\n]{{0,80}}):", _FLAGS
)
_MARKER = re.compile(
    r"(?<!<)<{2,}+\s*+/?\s*+(?:end[\s_-]*+)?(?:of[\s_-]*+)?external[^<>\n]{0,240}(?:>{2,})?", _FLAGS
)
_TEMPLATE = re.compile(r"<(\|[^<>|\n]{1,60}\|)>|<(/?(?:start|end)_of_turn)>|<<(/?sys)>>|\[(/?inst)\]", _FLAGS)


def plain_lines(text: str) -> str:
    """``text`` with every kind of line end as ``\\n``, without control characters but tabs."""
    if text.isascii() and text.isprintable():
        return text
    return _JUNK.sub("", _BREAKS.sub("\n", text))


def header_value(text: str, limit: int = 80) -> str:
    """A name for a line of ours: one line, no square brackets, white space collapsed (6.4)."""
    text = " ".join(_BIDI.sub("", plain_lines(text[: limit * 4])).split())
    return text[:limit].rstrip().replace("[", "(").replace("]", ")")


def bounded(text: str, limit: int = FIELD_CHARS) -> str:
    """The beginning of a long text, with a mark of what was cut."""
    return text if len(text) <= limit else f"{text[:limit]}… [cut, {len(text) - limit} characters more]"


def field_text(text: str, limit: int = FIELD_CHARS) -> str:
    """A string for a fenced block: bounded, neutral, and unable to close the fence."""
    if text.isascii() and text.isalnum() and len(text) <= limit:
        return text  # ids, and most short words
    text = neutral(bounded(plain_lines(text), limit))
    return _TICKS.sub(lambda hit: "\u200b".join(hit[0]), text) if "```" in text else text


def neutral(text: str) -> str:
    """``text`` (with plain line ends) without anything that has the form of our prompt.

    Idempotent. Lines of the system are named untrusted, headers, notes and template tokens get round
    brackets, headings of blocks square ones, and markers of external content go.
    """
    seen = skeleton(text)
    small = seen.lower()
    if not ("[" in small or "<" in small or "system" in small or "trusted" in small or _ours(small)):
        return text
    for words, pattern, change in _CHANGES:
        # a search for plain words is a hundred times cheaper than the pattern, and nearly always enough
        if any(word in small for word in words) and pattern.search(seen):
            text = _changed(text, seen, pattern, change)
            seen = skeleton(text)
            small = seen.lower()
    return text


def _ours(small: str) -> bool:
    return "workspace file" in small or "instructions of the operator" in small


def _changed(text: str, seen: str, pattern: re.Pattern[str], change: str) -> str:
    """``text`` with what ``pattern`` finds in its skeleton ``seen`` replaced by ``change``."""
    where = None if seen is text else positions(text)
    parts: list[str] = []
    done = 0
    for hit in pattern.finditer(seen):
        start, end = hit.span()
        if where is not None:
            start, end = where[start], where[end]
        groups = [group for group in hit.groups() if group is not None]
        parts += (text[done:start], change.format(*groups))
        done = end
    return "".join((*parts, text[done:]))


_CHANGES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("external",), _MARKER, "[marker removed]"),
    (("<|", "_of_turn", "<<", "inst]"), _TEMPLATE, "({0})"),
    (("system",), _SYSTEM, "{0}System (untrusted):"),
    (("[",), _HEADER, "{0}({1})"),
    (("message_id", "message id", "from"), _ID_NOTE, "({0})"),
    (("trusted",), _HEADING, "[{0}]"),
    (("instructions of the operator", "workspace file"), _OURS, "{0}{1} (quoted):"),
)
"""Words of which one must be there, what to look for, and what it becomes (a format of its groups)."""
