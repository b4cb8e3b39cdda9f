"""Recent lines of the fleet's log, read from its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

__all__ = ["LogLine", "recent"]

MAX_BYTES = 4 * 1024 * 1024
WINDOW = timedelta(hours=24)
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\S* \[(\w+)\s*\] (.*)")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: local time, level in lower case, and the rest of it."""

    at: datetime
    level: str
    text: str


def recent(folder: Path, now: datetime) -> tuple[LogLine, ...]:
    """Lines of the last 24 hours, at most the last 4 MB, oldest first. Without a log there are none."""
    text = ""
    for name in ("shoal.log", "shoal.log.1"):
        text = _tail(folder / name, MAX_BYTES - len(text)) + text
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        at = datetime.fromisoformat(match[1])
        if now - at <= WINDOW:
            found.append(LogLine(at, match[2].lower(), match[3]))
    return tuple(found)


def _tail(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
