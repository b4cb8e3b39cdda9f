"""Pipe tables, which Discord does not draw (``spec/outbound.md`` 3.4, ``channels.discord.markdown.tables``).

``code``     a table of fixed width in a code fence; wide characters and emoji count as the two they fill
``bullets``  each row a heading with a list
``off``      as the model wrote it

Before cutting, so that a long table is cut as the code block it has become. Code stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wcwidth import wcswidth

__all__ = ["render_tables"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_CELL_END = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^\]\n]*)\]\(<?([^)\s>]+)>?\)")
_MARKS = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|~~(?=\S)(.+?)(?<=\S)~~")

Row = list[str]


def render_tables(text: str, mode: str) -> str:
    """The text with its pipe tables in another form."""
    if mode == "off" or "|" not in text:
        return text
    lines = text.split("\n")
    done: list[str] = []
    fence = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        mark = _FENCE.match(line)
        if mark is not None and (not fence or _closes(line, fence)):
            fence = "" if fence else mark.group(1)
        columns = 0 if fence or mark else _columns(lines, at)
        if not columns:
            done.append(line)
            at += 1
            continue
        end = at + 2
        while end < len(lines) and "|" in lines[end] and not _FENCE.match(lines[end]):
            end += 1
        rows = [_fit(_cells(row), columns) for row in (lines[at], *lines[at + 2 : end])]
        done += _bullets(rows) if mode == "bullets" else _code(rows, _sides(lines[at + 1]))
        at = end
    return "\n".join(done)


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0])


def _columns(lines: Sequence[str], at: int) -> int:
    """How many columns the table has that begins in this line; 0 if none does."""
    if at + 1 >= len(lines) or "|" not in lines[at] or lines[at].startswith(("    ", "\t", ">")):
        return 0
    rule = lines[at + 1]
    if "-" not in rule or not _RULE.fullmatch(rule):
        return 0
    columns = len(_cells(lines[at]))
    return columns if columns == len(_cells(rule)) else 0


def _cells(line: str) -> Row:
    bare = line.strip()
    bare = bare[1:] if bare.startswith("|") else bare
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(bare)]


def _fit(row: Row, columns: int) -> Row:
    return (row + [""] * columns)[:columns]


def _sides(rule: str) -> list[str]:
    """Where each column's text stands: ``<``, ``>`` or ``^``."""
    return [
        "^" if cell.startswith(":") and cell.endswith(":") else ">" if cell.endswith(":") else "<"
        for cell in _cells(rule)
    ]


def _code(rows: list[Row], sides: list[str]) -> list[str]:
    rows = [[_bare(cell) for cell in row] for row in rows]
    widths = [max(3, *(_width(cell) for cell in column)) for column in zip(*rows, strict=True)]

    def line(row: Row) -> str:
        cells = (_pad(cell, width, side) for cell, width, side in zip(row, widths, sides, strict=True))
        return f"| {' | '.join(cells)} |"

    rule = f"| {' | '.join('-' * width for width in widths)} |"
    return ["```", line(rows[0]), rule, *(line(row) for row in rows[1:]), "```"]


def _bullets(rows: list[Row]) -> list[str]:
    return (
        [line for row in rows[1:] for line in _bullet(rows[0], row)][:-1]
        if len(rows) > 1
        else [f"**{' · '.join(cell for cell in rows[0] if cell)}**"]
    )


def _bullet(head: Row, row: Row) -> Iterator[str]:
    """One row; an empty line at its end."""
    if len(row) == 1:
        yield f"- {row[0]}"
        yield ""
        return
    if row[0]:
        yield row[0] if row[0].startswith("**") else f"**{row[0]}**"
    for name, cell in zip(head[1:], row[1:], strict=True):
        if cell:
            yield f"- {name}: {cell}" if name else f"- {cell}"
    yield ""


def _bare(cell: str) -> str:
    """A cell for a code block, where Markdown is not drawn."""
    cell = _LINK.sub(lambda hit: f"{hit[1]} ({hit[2]})" if hit[1] != hit[2] else hit[1], cell)
    return _MARKS.sub(lambda hit: hit[1] or hit[2], cell).replace("`", "")


def _width(text: str) -> int:
    """Columns it fills; characters without a width count as one."""
    width = wcswidth(text)
    return int(width) if width >= 0 else len(text)


def _pad(text: str, width: int, side: str) -> str:
    room = max(0, width - _width(text))
    before = {"<": 0, ">": room, "^": room // 2}[side]
    return " " * before + text + " " * (room - before)
