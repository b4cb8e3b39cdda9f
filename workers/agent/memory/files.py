"""The files memory is made of, and their cutting into passages with line numbers.

Only Markdown files inside the workspace count, never what a link leads out to: a model names
the paths it wants to read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FILE_BYTES", "MAX_FILES", "Passage", "memory_files", "memory_path", "passages"]

MAX_FILES = 2_000
FILE_BYTES = 1_000_000
"""Larger files are left out: they are no notes."""
PASSAGE_CHARS = 1_200
PASSAGE_LINES = 40

_NAMES = ("MEMORY.md", "memory.md")
_FOLDER = "memory"


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of a file; ``first`` and ``last`` count from 1 and are both included."""

    first: int
    last: int
    text: str


def memory_files(workspace: Path) -> list[Path]:
    """The notes of a workspace, as paths below it, in a stable order."""
    root = workspace.resolve()
    found = [Path(name) for name in _NAMES if _is_note(root, root / name)][:1]
    for folder, folders, names in os.walk(root / _FOLDER):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if name.endswith(".md") and _is_note(root, path):
                found.append(path.relative_to(root))
            if len(found) >= MAX_FILES:
                return found
    return found


def memory_path(workspace: Path, wanted: str) -> Path | None:
    """The file a model asks for by a relative path, or ``None`` if it is no note of this workspace."""
    name = wanted.strip().replace("\\", "/").removeprefix("./")
    inside = name in _NAMES or (name.startswith(f"{_FOLDER}/") and name.endswith(".md"))
    if not inside or "\x00" in name or ".." in name.split("/"):
        return None
    root = workspace.resolve()
    path = root / name
    return path if _is_note(root, path) else None


def passages(text: str) -> Iterator[Passage]:
    """Cut a file where it has headings or blank lines, into pieces that can be quoted."""
    lines = text.splitlines()
    start, size = 0, 0
    for index, line in enumerate(lines):
        full = size + len(line) > PASSAGE_CHARS or index - start >= PASSAGE_LINES
        if index > start and (full or (line.startswith("#") and size)):
            yield from _passage(lines, start, index)
            start, size = index, 0
        size += len(line) + 1
    yield from _passage(lines, start, len(lines))


def _passage(lines: list[str], start: int, end: int) -> Iterator[Passage]:
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    if start < end:
        yield Passage(start + 1, end, "\n".join(lines[start:end]))


def _is_note(root: Path, path: Path) -> bool:
    try:
        real = path.resolve(strict=True)
        return real.is_file() and real.is_relative_to(root) and real.stat().st_size <= FILE_BYTES
    except OSError:
        return False
