"""Paths of config values, as people write them: ``channels.discord.guilds["123"].users[0]``."""

from __future__ import annotations

import re

__all__ = ["KeyPath", "parse_path", "show_path"]

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the root to a value."""

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_STEP = re.compile(
    r"""(?:^|\.)([A-Za-z0-9_$*-]+)|\[\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([0-9]+))\s*\]""",
    re.VERBOSE,
)


def show_path(path: KeyPath) -> str:
    """``("channels", "discord", "guilds", "123", "users", 0)`` as text."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif _NAME.fullmatch(part):
            shown += f".{part}" if shown else part
        else:
            quoted = part.replace("\\", "\\\\").replace('"', '\\"')
            shown += f'["{quoted}"]'
    return shown


def parse_path(text: str) -> KeyPath:
    """The opposite of :func:`show_path`; dots, brackets, quotes.

    Raises:
        ValueError: the text is no path.
    """
    path: list[str | int] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f'{text!r} is no config path; write it like channels.discord.guilds["123"]')
        name, double, single, index = match.groups()
        if index is not None:
            path.append(int(index))
        else:
            raw = next(part for part in (name, double, single) if part is not None)
            path.append(raw if raw is name else re.sub(r"\\(.)", r"\1", raw))
        at = match.end()
    return tuple(path)
