"""The merged log: every process's file followed, lines made readable, in the order of time.

Processes write files and this view follows them, so that a paused terminal never stops the
fleet (a full pipe would). Lines of ours are JSON; whatever else a process prints is shown as it is.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoal.base.redact import redactor

__all__ = ["Follower", "Line", "render_line"]

_SUPERVISOR = re.compile(r"^\d{4}-\d\d-\d\d (?P<time>[\d:]{8}),\d+ (?P<level>[A-Z]+) (?P<text>.*)$")
_REDIS = re.compile(r"^\d+:[A-Z] \d+ \w+ \d{4} (?P<time>[\d:.]+) (?P<level>[.\-*#]) (?P<text>.*)$")
_COLOURS = (36, 32, 35, 34, 33, 96, 92, 95, 94, 93)
_LEVEL_COLOURS = {"warning": 33, "error": 31, "critical": 31, "debug": 90}
_HIDDEN_KEYS = frozenset({"event", "level", "logger", "process", "timestamp", "exception"})
_QUIET_SUPERVISOR = ("success:", "supervisord started", "Set uid", "RPC interface", "waiting for", "CRIT")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one process, taken apart."""

    process: str
    time: str
    level: str
    text: str
    details: str = ""


class _File:
    """One growing file; survives rotation by rename."""

    def __init__(self, path: Path) -> None:
        self.process = path.stem
        self._path = path
        self._inode = 0
        self._stream: io.BufferedReader | None = None
        self._rest = b""
        self.time = ""

    def read(self) -> Iterator[str]:
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            return
        if inode != self._inode:
            if self._stream is not None:  # rotated: what the old file still holds comes first
                yield from self._take(self._stream.read())
                self._stream.close()
            self._stream = self._path.open("rb")
            self._inode = inode
        assert self._stream is not None
        yield from self._take(self._stream.read())

    def _take(self, data: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode(errors="replace")


class Follower:
    """Follows every ``*.log`` of a folder, new files included."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, _File] = {}

    def poll(self) -> list[Line]:
        """The lines that came since the last call, oldest first; parts of one traceback stay together."""
        for path in sorted(self._folder.glob("*.log")):
            self._files.setdefault(path, _File(path))
        batches: list[Line] = []
        for file in self._files.values():
            for raw in file.read():
                for line in _parse(file.process, raw, file.time):
                    file.time = line.time
                    batches.append(line)
        return sorted(batches, key=lambda line: line.time)


def _parse(process: str, raw: str, last: str) -> Iterator[Line]:
    """Take a raw line apart. One without a time of its own belongs to the process's ``last`` one."""
    if process == "supervisor":
        match = _SUPERVISOR.match(raw)
        text = match["text"] if match else raw
        if not text.startswith(_QUIET_SUPERVISOR) and (match is None or match["level"] != "CRIT"):
            yield Line(process, match["time"] if match else last, "info", text)
        return
    if process == "redis" and (match := _REDIS.match(raw)):
        # its notices fill a screen; the file has them all
        if match["level"] == "#" or match["text"].startswith("Ready to accept"):
            yield Line(process, match["time"], "warning" if match["level"] == "#" else "info", match["text"])
        return
    fields: object = None
    if raw.startswith("{"):
        try:
            fields = json.loads(raw)
        except ValueError:
            fields = None  # looks like ours and is not; shown as it is
    if not isinstance(fields, dict):
        yield Line(process, last, "info", raw)
        return
    moment = str(fields.get("timestamp", ""))[11:23]
    details = " ".join(f"{key}={_short(value)}" for key, value in fields.items() if key not in _HIDDEN_KEYS)
    level = str(fields.get("level", "info"))
    yield Line(process, moment, level, str(fields.get("event", "")), details)
    for part in str(fields.get("exception", "")).splitlines():
        yield Line(process, moment, "info", "  " + part)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return repr(text) if isinstance(value, str) and (" " in text or not text) else text


def render_line(line: Line, *, colour: bool, width: int = 12) -> str:
    """A line for the terminal: time, process, what happened, details."""
    time = f"{line.time[:8]:8}"
    name = f"{line.process:{width}}"
    mark = "" if line.level in ("info", "debug") else f"{line.level}: "
    details = f"  {line.details}" if line.details else ""
    if not colour:
        return redactor.mask(f"{time} {name} {mark}{line.text}{details}")
    tint = _COLOURS[sum(line.process.encode()) % len(_COLOURS)]
    loud = _LEVEL_COLOURS.get(line.level)
    text = f"\x1b[{loud}m{mark}{line.text}\x1b[0m" if loud else line.text
    return redactor.mask(f"\x1b[90m{time}\x1b[0m \x1b[{tint}m{name}\x1b[0m {text}\x1b[90m{details}\x1b[0m")
