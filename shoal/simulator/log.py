"""The simulator's log: JSON lines, one per event sent, request served, and gateway happening.

An independent checker proves the product's promises from this file alone, so a line is written before the
bytes it tells of leave, and holds whole bodies. Bot tokens are not written. Kinds:

``request``   n, time, kind, method, path, query, route, bot, source, user_agent, stamp (of its grant,
              if the client says so), body, files, status, answer, seconds, lost ("": sent; refused,
              dropped, cut, fault: see ``faults``)
``event``     n, time, kind, bot, session, seq, event, data, sent (false: no socket, kept for RESUME)
``gateway``   n, time, kind, bot, session, what (connect, identify, resume, close, command, …), source, …
``fault``     n, time, kind, fault, id
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import orjson

__all__ = ["EventLog"]

KEPT = 50_000


class EventLog:
    """Appends to a file, if one is given, and keeps the newest lines for the control API.

    Attributes:
        watchers: called with every line of every log of this process, in the simulator's thread.
    """

    watchers: ClassVar[list[Callable[[dict[str, Any]], None]]] = []

    def __init__(self, path: Path | None = None) -> None:
        self._file: BinaryIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        self._numbers = itertools.count(1)
        self.kept: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def write(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Write one line; returns it, so that a later field can be read back in the same call."""
        line: dict[str, Any] = {"n": next(self._numbers), "time": time.time(), "kind": kind, **fields}
        self.kept.append(line)
        if self._file is not None:
            self._file.write(orjson.dumps(line, default=_as_text) + b"\n")
        for watch in self.watchers:
            watch(line)
        return line

    def select(self, kind: str, after: int = 0, **filters: str) -> list[dict[str, Any]]:
        """Lines of a kind with a number above ``after`` whose fields equal ``filters`` (as text)."""
        found = []
        for line in reversed(self.kept):
            if line["n"] <= after:
                break
            if line["kind"] == kind and all(str(line.get(k)) == v for k, v in filters.items()):
                found.append(line)
        found.reverse()
        return found

    def close(self) -> None:
        """Close the file; writing afterwards only keeps lines in memory."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
