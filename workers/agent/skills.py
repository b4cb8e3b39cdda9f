"""Skills: folders with a ``SKILL.md`` that tell an agent how something is done (decision 22).

They lie in ``skills/`` of the workspace and of the state dir; of two with one name the
workspace's counts. The tool ``skill`` lists names and descriptions; the text is read with it when
the model wants it, so that a hundred skills cost a hundred lines.

A skill is the operator's word. Its name and description are still bounded and kept on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shoal.base.logging import get_logger

__all__ = ["MAX_SKILLS", "Skill", "SkillScope", "find_skills", "skill_file"]

SkillScope = tuple[tuple[Path, ...], frozenset[str] | None]
"""Folders whose ``skills/`` are looked at, the stronger first, and names that may be used; none for all."""

MAX_SKILLS = 200
FILE_BYTES = 200_000
NAME_CHARS = 64
DESCRIPTION_CHARS = 300

_FIELD = re.compile(r"^([A-Za-z][\w-]*):[ \t]*(.*)$")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill. ``folder`` holds its ``SKILL.md`` and whatever that refers to."""

    name: str
    description: str
    folder: Path


def find_skills(roots: Iterable[Path], allowed: frozenset[str] | None = None) -> list[Skill]:
    """The skills below these folders, by name; earlier folders win.

    Args:
        roots: folders that hold ``skills/``.
        allowed: names that may be used, compared without regard to case; none for all.
    """
    found: dict[str, Skill] = {}
    wanted = None if allowed is None else {name.casefold() for name in allowed}
    for root in roots:
        for skill in _below(root / "skills"):
            if wanted is None or skill.name.casefold() in wanted:
                found.setdefault(skill.name.casefold(), skill)
    return [found[name] for name in sorted(found)][:MAX_SKILLS]


def skill_file(skill: Skill, wanted: str = "SKILL.md") -> Path | None:
    """A file of a skill by its relative path; none for anything outside its folder."""
    name = wanted.strip().replace("\\", "/").removeprefix("./") or "SKILL.md"
    if name.startswith("/") or "\x00" in name or ".." in name.split("/"):
        return None
    try:
        path = (skill.folder / name).resolve(strict=True)
        inside = path.is_file() and path.is_relative_to(skill.folder.resolve())
        return path if inside and path.stat().st_size <= FILE_BYTES else None
    except OSError:
        return None


def _below(folder: Path) -> list[Skill]:
    try:
        names = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return []  # there are no skills here
    skills = []
    for entry in names:
        skill = _read(entry)
        if skill is not None:
            skills.append(skill)
    return skills


def _read(folder: Path) -> Skill | None:
    path = skill_file(Skill(folder.name, "", folder))
    if path is None:
        return None
    try:
        found = path.stat()
        return _parsed(folder, path, (found.st_mtime_ns, found.st_size))
    except OSError as error:
        log.warning("a skill cannot be read", skill=folder.name, error=error)
        return None


@lru_cache(maxsize=2 * MAX_SKILLS)
def _parsed(folder: Path, path: Path, stamp: tuple[int, int]) -> Skill | None:
    """Read once for each ``stamp`` of the file: what there is is told at every question to a model."""
    del stamp
    fields = _front_matter(path.read_text(encoding="utf-8", errors="replace"))
    name = _one_line(fields.get("name") or folder.name, NAME_CHARS)
    return (
        Skill(name, _one_line(fields.get("description") or "", DESCRIPTION_CHARS), folder) if name else None
    )


def _front_matter(text: str) -> dict[str, str]:
    """The plain ``key: value`` lines between two ``---``; folded values (``>``, ``|``) are joined."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    fields: dict[str, str] = {}
    last = ""
    for line in lines[1:200]:
        if line.strip() == "---":
            return fields
        match = _FIELD.match(line)
        if match:
            last, value = match.group(1), match.group(2).strip()
            fields[last] = "" if value in (">", "|", ">-", "|-") else value.strip("\"'")
        elif last and line[:1] in (" ", "\t"):
            fields[last] = f"{fields[last]} {line.strip()}".strip()
    return {}  # no end: it is no front matter


def _one_line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
