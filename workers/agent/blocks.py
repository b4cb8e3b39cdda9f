"""Where an answer that is still being written is cut into messages: pure text (``spec/outbound.md`` 4.6).

An answer grows; what of it is out is *told*, a beginning of its cleaned text. Two sizes decide on the rest:

    chunk     a piece that ends well: at the end of a paragraph, else a line, a sentence, a word; never
              inside code unless nothing else fits, and then the fence is closed and opened again
    block     chunks put together until no other would fit, or nothing came for a while: one message

A turn that was resumed, or whose model gave up, is told what is out and goes on from there. A model that
begins anew instead is understood as well: what it repeats is not sent twice (:func:`whole_answer`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workers.delivery.chunks import Fenced, cut_text, fenced_code

__all__ = [
    "BlockRules",
    "as_told",
    "block_end",
    "block_text",
    "chunk_ends",
    "follows",
    "rest_of",
    "text_behind",
    "whole_answer",
]

UNSURE_CHARS = 64
"""So much of an answer may differ from what is out before it counts as another: tags are shorter."""
KINDS = ("paragraph", "newline", "sentence")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_NEWLINE = re.compile(r"\n")
_SENTENCE = re.compile(r"(?<!\b\d)(?<!\b\d\d)[.!?…]+[\"'”’)\]*_]*(?=\s)|[。！？]+[」』”’）]*")
_GAP = re.compile(r"(?:[ \t]*\n)+|[ \t]+")


@dataclass(frozen=True, slots=True)
class BlockRules:
    """``blockStreamingChunk``, ``…Break`` and ``streaming.block.coalesce``, in characters.

    Attributes:
        min_chars, max_chars, prefer: of a chunk, and the kind of place it had best end at.
        join_min, join_max: of a block.
        idle_s: a block that is long enough goes when no chunk has come for so long.
        at_end: blocks are cut when the answer is whole (``message_end``).
        pause_ms: shortest and longest pause between blocks (``humanDelay``); ``None`` is none.
    """

    min_chars: int = 800
    max_chars: int = 1200
    prefer: str = "paragraph"
    join_min: int = 1500
    join_max: int = 2000
    idle_s: float = 1.0
    at_end: bool = False
    pause_ms: tuple[int, int] | None = None


def chunk_ends(text: str, start: int, rules: BlockRules, *, over: bool = False) -> list[int]:
    """Where the chunks of ``text[start:]`` end.

    Args:
        over: nothing more comes, so that the last one ends with the text.
    """
    ends: list[int] = []
    code = fenced_code(text)
    at = start
    while (end := _chunk_end(text, at, rules, code, over=over)) > at:
        ends.append(end)
        at = text_behind(text, end)
    return ends


def block_end(
    ends: Sequence[int], start: int, rules: BlockRules, *, over: bool = False, idle: bool = False
) -> int:
    """Where the next block ends; 0: there is none yet.

    Args:
        ends: of the chunks behind ``start``.
        idle: no chunk has come for a while.
    """
    fits = [end for end in ends if end - start <= rules.join_max]
    if len(fits) < len(ends):
        return fits[-1] if fits else ends[0]
    last = fits[-1] if fits else 0
    full = last - start == rules.join_max
    return last if over or full or (idle and last - start >= rules.join_min) else 0


def text_behind(text: str, end: int) -> int:
    """Where the text behind a block begins: white space between them is nobody's, an indent is the next's."""
    gap = _GAP.match(text, end)
    return gap.end() if gap else end


def block_text(text: str, start: int, end: int) -> str:
    """A block as it is sent: whole code blocks, whatever was cut."""
    code = fenced_code(text)
    body = text[start:end].strip("\n")
    opened, closed = _around(code, start), _around(code, end)
    if opened is not None and opened.whole and "\n" not in text[start : opened.stop]:
        body = text[opened.stop : end].strip("\n")  # nothing of the code is left but its closing line
    elif opened is not None and (head := _reopening(text, opened, start)):
        body = f"{head}\n{body}"
    if closed is not None and closed.close and end < len(text):
        body = f"{body}\n{closed.close}"
    return body


def whole_answer(told: str, fresh: str, *, over: bool = False) -> str | None:
    """The answer of which ``told`` was out before ``fresh`` began; ``None``: that cannot be said yet.

    What differs at the end of a growing text may be half a tag, and says nothing.

    Args:
        over: no more of ``fresh`` comes.
    """
    same, out = _agreed(fresh, told)
    if not told[out:].strip():
        return as_told(fresh, told)
    if not fresh[same:].strip():
        return told if over else None
    if not over and len(fresh) - same <= UNSURE_CHARS:
        return None
    return told + fresh


def follows(told: str, fresh: str) -> Literal["again", "less", "on"]:
    """What a whole answer is to what was out before it: it says all of that again, only its beginning, or it
    goes on behind it.
    """
    same, out = _agreed(fresh, told)
    if not told[out:].strip():
        return "again"
    return "on" if fresh[same:].strip() else "less"


def as_told(text: str, told: str) -> str:
    """The text, with what is out of it as it was told: a tag that is taken out later changes white space."""
    if text.startswith(told):
        return text
    at, out = _agreed(text, told)
    if told[out:].strip():
        return text
    return told + (text[at:].lstrip() if told[-1:].isspace() else text[at:])


def _agreed(one: str, other: str) -> tuple[int, int]:
    """How much of two texts is the same, white space apart: where that ends in each."""
    at = to = 0
    while True:
        before = at, to
        while at < len(one) and one[at].isspace():
            at += 1
        while to < len(other) and other[to].isspace():
            to += 1
        if at >= len(one) or to >= len(other) or one[at] != other[to]:
            return before
        at, to = at + 1, to + 1


def rest_of(text: str, told: str) -> str:
    """What of an answer is still to be sent; all of it, if it is not the one that is out."""
    same, _ = _agreed(text, told)
    text = as_told(text, told)
    if text.startswith(told):
        return block_text(text, len(told), len(text))
    return "" if not text[same:].strip() else text


def _chunk_end(text: str, start: int, rules: BlockRules, code: Sequence[Fenced], *, over: bool) -> int:
    """Where the chunk that begins at ``start`` ends; ``start``: it has no end yet."""
    left = len(text) - start
    if over and left <= rules.max_chars:
        return len(text)
    full = left > rules.max_chars
    if left < rules.min_chars and not full:
        return start
    least = min(rules.min_chars, rules.max_chars)
    kinds = KINDS[KINDS.index(rules.prefer) :] if rules.prefer in KINDS else KINDS
    for kind in kinds if full else kinds[:1]:
        found = _last_break(text, start + least, start + rules.max_chars, kind, code)
        if found:
            return found
    return _forced(text, start, rules.max_chars, code) if full else start


def _last_break(text: str, low: int, high: int, kind: str, code: Sequence[Fenced]) -> int:
    """The last place between the two where a block ends well; 0: none. Code and tables stay whole."""
    pattern = {"paragraph": _PARAGRAPH, "newline": _NEWLINE, "sentence": _SENTENCE}[kind]
    found = 0
    for hit in pattern.finditer(text, max(0, low - 200), min(len(text), high + 2)):
        at = hit.end() if kind == "sentence" else hit.start()
        if low <= at <= high and _around(code, at) is None and not _in_table(text, at):
            found = at
    return found


def _forced(text: str, start: int, room: int, code: Sequence[Fenced]) -> int:
    """Before the last word that fits, or the last line of code."""
    inside = _around(code, start)
    again = _reopening(text, inside, start) if inside is not None else ""
    head = f"{again}\n" if again else ""
    piece = cut_text(head + text[start : start + 2 * room], limit=room, max_lines=room)[0]
    return max(start + len(piece.body) - len(head), start + 1)


def _around(code: Sequence[Fenced], at: int) -> Fenced | None:
    """The code block that a cut at ``at`` would divide."""
    return next((one for one in code if one.start < at < one.stop + (not one.whole)), None)


def _reopening(text: str, code: Fenced, at: int) -> str:
    """The line that opens ``code`` again behind a cut; bare, where the opening line itself was cut."""
    return code.reopen if "\n" in text[code.start : at] else code.close


def _in_table(text: str, at: int) -> bool:
    """Whether ``at`` is the end of a row of a table that goes on."""
    if text[at : at + 1] != "\n" or text[at + 1 : at + 2] != "|":
        return False
    return text[text.rfind("\n", 0, at) + 1 : at].lstrip().startswith("|")
