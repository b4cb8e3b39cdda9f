"""Lines of an answer that are for us: ``MEDIA:<path-or-url>``, ``[[audio_as_voice]]`` (spec/outbound.md 3.9).

Inside code they are text about them and stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workers.agent.scaffolding import outside_code

__all__ = ["Directives", "take_directives"]

MAX_FILES = 10
"""Files of one answer."""
_MEDIA = re.compile(
    r"^[ \t]*MEDIA:[ \t]*(?:\"([^\"\n]+)\"|'([^'\n]+)'|<(\S+)>|(\S+))[ \t]*$\n?", re.MULTILINE
)
_VOICE = re.compile(r"\[\[\s*audio_as_voice\s*\]\]", re.IGNORECASE)
_PLACE = re.compile(r"https?://|file:|[^\s]*[./]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Directives:
    """What was found: ``media`` as written, in order, each once."""

    text: str
    media: tuple[str, ...] = ()
    voice: bool = False


def take_directives(text: str) -> Directives:
    """The text without its directives, and what they said."""
    if "MEDIA:" not in text and "[[" not in text:
        return Directives(text)
    found: dict[str, None] = {}
    voice = False

    def media(hit: re.Match[str]) -> str:
        source = next(group for group in hit.groups() if group)
        if not _PLACE.match(source):
            return hit.group(0)  # prose about media
        found[source.strip()] = None
        return ""

    def tag(_hit: re.Match[str]) -> str:
        nonlocal voice
        voice = True
        return ""

    text = outside_code(text, lambda part: _VOICE.sub(tag, _MEDIA.sub(media, part)))
    return Directives(text, tuple(found)[:MAX_FILES], voice)
