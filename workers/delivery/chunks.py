"""Cutting a text into Discord messages (``spec/outbound.md`` 3.3).

A chunk holds at most ``limit`` characters and ``max_lines`` lines. Characters are counted
as UTF-16 units: Discord counts code points, so the bound is safe and never wrong by more
than emoji.

The theory: a cut is a *piece*. ``body`` is text of the author, ``opened`` and ``closed`` are
what a cut inside a code fence adds so that both halves are whole blocks, and ``newline``
says that the cut fell on a line break. Bodies and line breaks joined are the text again,
exactly; everything else here only decides where the cuts are:

* between lines where possible, else before the last white space, else after CJK
  punctuation, else hard;
* never inside a surrogate pair, a grapheme cluster, a mention, emoji or time stamp
  (``<@1>``, ``<:name:1>``, ``<t:1>``), short code, a short spoiler or a link, nor between a fence's opening
  line and its first line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "DISCORD_LIMIT",
    "MAX_LINES",
    "Fenced",
    "Piece",
    "chunk_text",
    "cut_text",
    "fenced_code",
    "units",
]

DISCORD_LIMIT = 2000
"""Characters of one message."""
MAX_LINES = 17
"""Lines after which people stop reading a message in a channel, by default."""

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})(.*)$")
_TOKEN = re.compile(
    r"<(?:@[!&]?\d+|#\d+|a?:\w+:\d+|t:-?\d+(?::\w)?|/[^<>\n]{1,100}:\d+|id:[\w-]+)>"
    r"|(?<!`)(`{1,2})(?!`)[^`\n]{1,140}\1(?!`)|\|\|[^|\n]{1,140}\|\||\[[^\[\]\n]{1,100}\]\([^()\s]{1,190}\)"
)
"""Markup of Discord's, and short code, spoilers and links of a line: half of one is broken, or told."""
_SPACE = re.compile(r"\s")
_CJK_STOPS = re.compile("[。！？，、；：…）】」』]")
_LONGEST_TOKEN = 300
"""A token that begins before a cut ends within so many characters behind it."""


_LEAST_ROOM = 2
"""Units of any one character."""


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk, with what belongs to the author and what the cut added."""

    body: str
    opened: str = ""
    closed: str = ""
    newline: bool = False

    @property
    def text(self) -> str:
        """The chunk as it is sent."""
        return f"{self.opened}{self.body}{self.closed}"


def chunk_text(
    text: str, *, limit: int = DISCORD_LIMIT, max_lines: int = MAX_LINES, by_paragraph: bool = False
) -> list[str]:
    """The messages a text becomes; none for an empty one.

    Args:
        limit: ``textChunkLimit``; more than 2000 is 2000.
        max_lines: ``maxLinesPerMessage``.
        by_paragraph: ``chunkMode: newline``: whole paragraphs as long as they fit.
    """
    limit, max_lines = max(1, min(limit, DISCORD_LIMIT)), max(1, max_lines)
    blocks = _pack(list(_paragraphs(text)), limit) if by_paragraph else [text]
    found = [piece.text for block in blocks for piece in cut_text(block, limit=limit, max_lines=max_lines)]
    return [chunk for chunk in found if chunk.strip()]


def cut_text(text: str, *, limit: int, max_lines: int) -> list[Piece]:
    """The pieces of a text; their bodies and line breaks joined are the text."""
    if not text:
        return []
    if units(text) <= limit and text.count("\n") < max_lines:
        return [Piece(text)]
    cutter = _Cutter(limit, max_lines)
    for line in text.split("\n"):
        cutter.add(line)
    return cutter.finish()


@dataclass(frozen=True, slots=True)
class Fenced:
    """Code between fences: where it begins and ends in its text, fence lines and all.

    Attributes:
        reopen, close: the lines that open it again and close it, where it is cut.
        whole: its closing line is there; else it ends with the text.
    """

    start: int
    stop: int
    reopen: str
    close: str
    whole: bool


def fenced_code(text: str) -> list[Fenced]:
    """The code blocks of a text, in order."""
    found: list[Fenced] = []
    fence: _Fence | None = None
    at = start = 0
    for line in text.split("\n"):
        stop = at + len(line)
        if fence is None:
            fence, start = _Fence.open(line, DISCORD_LIMIT), at
        elif fence.closed_by(line):
            found.append(Fenced(start, stop, fence.reopen, fence.close, whole=True))
            fence = None
        at = stop + 1
    if fence is not None:
        found.append(Fenced(start, len(text), fence.reopen, fence.close, whole=False))
    return found


@dataclass(frozen=True, slots=True)
class _Fence:
    """An open code fence: how to close it, and how to open it again in the next chunk."""

    char: str
    length: int
    close: str
    reopen: str

    @classmethod
    def open(cls, line: str, limit: int) -> _Fence | None:
        """The fence a line opens, or ``None``. Where there is no room to balance it, nothing is added."""
        found = _FENCE.match(line)
        if found is None or (found.group(2)[0] == "`" and "`" in found.group(3)):
            return None
        indent, marker = found.group(1), found.group(2)
        close = indent + marker
        if 2 * len(close) + 2 + 8 > limit:
            return cls(marker[0], len(marker), "", "")
        reopen = line if units(line) <= limit // 4 else close
        return cls(marker[0], len(marker), close, reopen)

    def closed_by(self, line: str) -> bool:
        """Whether a line ends this fence: the same character, at least as often, nothing else."""
        found = _FENCE.match(line)
        return (
            found is not None
            and found.group(2)[0] == self.char
            and len(found.group(2)) >= self.length
            and not found.group(3).strip()
        )


class _Cutter:
    """Gathers lines into pieces."""

    def __init__(self, limit: int, max_lines: int) -> None:
        self.limit = limit
        self.max_lines = max_lines
        self.pieces: list[Piece] = []
        self.lines: list[str] = []
        self.size = 0
        self.fence: _Fence | None = None
        self.reopened = ""
        self.just_opened = False

    def add(self, line: str) -> None:
        """Put the next line of the text into the current piece, or into as many as it needs."""
        after = self._fence_after(line)
        if not self._fits(line, after):
            if self.just_opened and len(self.lines) > 1:
                self._carry_opening_line()
            elif self.lines and not self.just_opened:
                self._flush(newline=True)
        if self._fits(line, after):
            self._append(line, after)
        else:
            self._add_long(line, after)

    def finish(self) -> list[Piece]:
        """All pieces. A fence the author left open stays open in the last one."""
        if self.lines:
            self.pieces.append(Piece("\n".join(self.lines), self._opened()))
        return self.pieces

    def _fence_after(self, line: str) -> _Fence | None:
        if self.fence is None:
            return _Fence.open(line, self.limit)
        return None if self.fence.closed_by(line) else self.fence

    def _append(self, line: str, after: _Fence | None) -> None:
        self.just_opened = self.fence is None and after is not None
        self.size += units(line) + (1 if self.lines else 0)
        self.lines.append(line)
        self.fence = after

    def _room(self, after: _Fence | None) -> int:
        """Units that one more line may have if ``after`` is open behind it."""
        taken = self.size + (1 if self.lines else 0) + units(self._opened())
        return self.limit - taken - (units(after.close) + 1 if after is not None and after.close else 0)

    def _fits(self, line: str, after: _Fence | None) -> bool:
        fenced = bool(self.reopened) or after is not None or self.fence is not None
        count = len(self.lines) + 1 + bool(self.reopened) + bool(after is not None and after.close)
        return count <= max(self.max_lines, 3 if fenced else 1) and units(line) <= self._room(after)

    def _opened(self) -> str:
        return f"{self.reopened}\n" if self.reopened else ""

    def _flush(self, *, newline: bool) -> None:
        closed = f"\n{self.fence.close}" if self.fence is not None and self.fence.close else ""
        self.pieces.append(Piece("\n".join(self.lines), self._opened(), closed, newline))
        self.lines, self.size, self.just_opened = [], 0, False
        self.reopened = self.fence.reopen if self.fence is not None else ""

    def _carry_opening_line(self) -> None:
        """End the piece before the fence's opening line, which begins the next one."""
        opening, fence = self.lines.pop(), self.fence
        self.fence = None
        self._flush(newline=True)
        self._append(opening, fence)

    def _add_long(self, line: str, after: _Fence | None) -> None:
        """Spread a line that fits into no piece over several. A fence line that long is plain text."""
        inside = self.fence
        last = None if inside is None and after is not None else after
        rest = line
        if self.lines and self._room(inside) < _LEAST_ROOM:
            self._flush(newline=True)  # an opening line that leaves no room for a line of its code
        while not self._fits(rest, last):
            at = _cut_at(rest, self._room(inside))
            if at >= len(rest):
                at = max(1, len(rest) - 1) if len(rest) > 1 else 0
            if at == 0:
                break  # one character that does not fit: a limit below what Discord ever asks for
            self._append(rest[:at], inside)
            self._flush(newline=False)
            rest = rest[at:]
        self._append(rest, last)


def _cut_at(text: str, room: int) -> int:
    """Where to cut a line so that at most ``room`` units stay; always at least one character."""
    end = _within(text, room)
    if end >= len(text):
        return len(text)
    end = max(end, 1)
    if end == len(text):
        return end
    window = text[: end + _LONGEST_TOKEN]
    tokens = [hit.span() for hit in _TOKEN.finditer(window)]

    def whole(at: int) -> bool:
        return not any(start < at < stop for start, stop in tokens) and _cluster_ends(text, at)

    lead = len(window) - len(window.lstrip())
    for hit in reversed(list(_SPACE.finditer(window, lead, end + 1))):
        if hit.start() > 0 and whole(hit.start()):
            return hit.start()
    for hit in reversed(list(_CJK_STOPS.finditer(window, 0, end))):
        if whole(hit.end()):
            return hit.end()
    return next((at for at in range(end, 0, -1) if whole(at)), end)


def _within(text: str, room: int) -> int:
    """How many characters fit into ``room`` units."""
    head = text[: max(room, 0) + 1]
    if head.isascii() or max(head) <= "\uffff":
        return min(len(text), max(room, 0))
    end = taken = 0
    for char in head:
        taken += 2 if char > "\uffff" else 1
        if taken > room:
            break
        end += 1
    return end


def _cluster_ends(text: str, at: int) -> bool:
    """Whether a grapheme cluster ends before ``text[at]``: marks, joiners, flags stay together."""
    before, after = text[at - 1], text[at]
    if before == "\u200d" or after == "\u200d" or (before == "\r" and after == "\n"):
        return False
    joins = unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= after <= "\U0001f3ff"
    if joins or "\U000e0020" <= after <= "\U000e007f":
        return False
    if _flag(before) and _flag(after):
        run = 0
        while run < at and _flag(text[at - 1 - run]):
            run += 1
        return run % 2 == 0
    return True


def _flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a text: what stands between blank lines that are in no fence."""
    current: list[str] = []
    fence: _Fence | None = None
    for line in text.split("\n"):
        if fence is None and not line.strip():
            if current:
                yield "\n".join(current)
            current = []
            continue
        if fence is None:
            fence = _Fence.open(line, DISCORD_LIMIT)
        elif fence.closed_by(line):
            fence = None
        current.append(line)
    if current:
        yield "\n".join(current)


def _pack(paragraphs: list[str], limit: int) -> list[str]:
    """Paragraphs put together as long as they fit into one message; the line limit cuts later."""
    packs: list[str] = []
    for paragraph in paragraphs:
        if packs and units(packs[-1]) + 2 + units(paragraph) <= limit:
            packs[-1] += f"\n\n{paragraph}"
        else:
            packs.append(paragraph)
    return packs
