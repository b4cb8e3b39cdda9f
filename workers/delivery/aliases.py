"""``mentionAliases``: ``@handle`` becomes the mention of a user (``spec/outbound.md`` 3.5).

Words in code stay as they are. Code is what stands between fences, and between two equal runs of backticks; a
run that nothing closes protects the rest of the text, since nobody can tell what was meant. An escaped
backtick opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workers.delivery.chunks import fenced_code

__all__ = ["with_mentions"]

_HANDLE = re.compile(r"(?<![^\s(\[{\"'.,;:!?])@([a-zA-Z0-9_.-]{2,32}(?:#\d{4})?)")
_RUN = re.compile(r"(?<!`)`+")
_NEVER = frozenset({"everyone", "here"})


def with_mentions(text: str, aliases: Mapping[str, str]) -> str:
    """``@handle`` as ``<@id>``; handles nobody configured stay as typed (decision 34).

    Args:
        aliases: handle in lower case, without ``@`` → user id.
    """
    if not aliases or "@" not in text:
        return text

    def mention(hit: re.Match[str]) -> str:
        handle = hit.group(1).lower()
        bare = handle.rstrip(".-_")
        for name in (handle, handle.partition("#")[0], bare):
            if name in aliases and name not in _NEVER:
                tail = hit.group(1)[len(name) :] if name == bare else ""
                return f"<@{aliases[name]}>{tail}"
        return hit.group(0)

    done: list[str] = []
    at = 0
    for start, stop in _code(text):
        done += [_HANDLE.sub(mention, text[at:start]), text[start:stop]]
        at = stop
    return "".join([*done, _HANDLE.sub(mention, text[at:])])


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Where code is, in order."""
    at = 0
    for block in fenced_code(text):
        yield from _spans(text, at, block.start)
        yield block.start, block.stop
        at = block.stop
    yield from _spans(text, at, len(text))


def _spans(text: str, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of code between backticks, from ``at`` to ``end``."""
    while (opening := _RUN.search(text, at, end)) is not None:
        start, marks = opening.start(), opening.group()
        if _escaped(text, start):
            start, marks = start + 1, marks[1:]
        if not marks:
            at = opening.end()
            continue
        runs = _RUN.finditer(text, opening.end(), end)
        at = next((run.end() for run in runs if run.group() == marks), end)
        yield start, at


def _escaped(text: str, at: int) -> bool:
    """Whether an odd number of backslashes stands before."""
    head = text[:at]
    return (len(head) - len(head.rstrip("\\"))) % 2 == 1
