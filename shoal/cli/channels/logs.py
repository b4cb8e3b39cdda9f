"""``shoal channels logs``: the last lines of the fleet's log that are about Discord."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["last_lines"]

FILES = ("shoal.log", *(f"shoal.log.{number}" for number in range(1, 6)))
"""Newest first."""
_CHUNK = 256 * 1024
_STAMPED = re.compile(rb"\d{4}-\d\d-\d\dT")
_PROCESS = re.compile(rb"\bprocess=(\w+)")
ASIDE = (b"beat", b"flower", b"redis", b"supervisor", b"chores")
"""Processes that have nothing to do with Discord."""


def last_lines(folder: Path, most: int, *, everything: bool) -> list[str]:
    """The newest lines of the log, oldest first; what follows a line without a time stays with it.

    Args:
        folder: ``logs`` of the state dir. Without a log there are no lines.
        everything: also what processes say that have nothing to do with Discord.
    """
    found: list[str] = []
    below: list[bytes] = []
    for line in _backwards(folder):
        if not _STAMPED.match(line):
            below.append(line)  # a traceback, whose head comes next
            continue
        process = _PROCESS.search(line)
        if everything or process is None or process[1] not in ASIDE:
            found += [one.decode("utf-8", "replace") for one in (*below, line)]
        below = []
        if len(found) >= most:
            break
    return found[:most][::-1]


def _backwards(folder: Path) -> Iterator[bytes]:
    """All lines from the newest on, without reading more than is asked for."""
    for name in FILES:
        try:
            file = (folder / name).open("rb")
        except OSError:
            continue
        with file:
            at, rest = file.seek(0, 2), b""
            while at > 0:
                start = max(0, at - _CHUNK)
                file.seek(start)
                head, *lines = (file.read(at - start) + rest).split(b"\n")
                yield from (line for line in reversed(lines) if line)
                at, rest = start, head
            if rest:
                yield rest
