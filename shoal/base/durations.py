"""Durations as people write them: ``"30m"``, ``"1h30m"``, ``"500ms"``."""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration_ms"]

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def parse_duration_ms(text: str | int | float, *, default_unit: str = "m") -> int:
    """Milliseconds of a duration; a bare number is in ``default_unit``.

    Raises:
        ValueError: the text is no duration; the message names the text and the form.
    """
    if isinstance(text, int | float):
        return int(text * _UNITS_MS[default_unit])
    compact = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return int(float(compact) * _UNITS_MS[default_unit])
    if not compact or not re.fullmatch(rf"(?:{_PART.pattern})+", compact):
        raise ValueError(f"{text!r} is no duration; write it like '30m', '1h30m' or '500ms'")
    return int(sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(compact)))


def format_duration(seconds: float) -> str:
    """Seconds for people: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
