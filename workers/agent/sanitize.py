"""What a model wrote, made fit to be shown: copied envelopes, scaffolding and silence out.

Envelopes are what the prompt wrapped around the user's words (``workers.agent.prompt``). They are
stripped on every way out, anchored at the start and the end only: the same words in prose or code
stay (``spec/inbound.md`` 6.7, 9.2, ``spec/outbound.md`` 3.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from shoal.base.foreign import read_json
from workers.agent.directives import take_directives
from workers.agent.scaffolding import outside_code, strip_scaffolding
from workers.agent.speech_tags import NO_TAGS, SpeechTags, take_speech_tags, with_tags
from workers.sessions.envelopes import strip_envelopes

__all__ = [
    "SILENT",
    "Cleaned",
    "clean_answer",
    "held_back",
    "is_silent",
    "normalised",
    "strip_silent",
    "without_beginnings",
]

SILENT = "NO_REPLY"
"""What a model writes to say nothing."""
ROUNDS = 20
"""Taking one thing out may leave another. Texts for people are done after two rounds."""

_JUNK = r"[\s\u200b-\u200f\ufeff!-/:-@\[-^`{-~。！？…—]*+"
_ONLY_SILENT = re.compile(rf"{_JUNK}{SILENT}{_JUNK}", re.IGNORECASE)
"""The token, and around it signs that say nothing."""
_REPLY_TAG = re.compile(r"\[\[\s*reply_to(?:_current|\s*:\s*(\d{5,25}))\s*\]\]", re.IGNORECASE)
_TAG_RESIDUE = re.compile(r"\[\[\s*(?:reply_to|audio_as_voice)[^\[\]\n]{0,60}(?:\]\]?|\Z)", re.IGNORECASE)
"""A tag that is not written as it should be: nothing is done, and nobody reads it (11 row 23)."""
_UNFINISHED = re.compile(
    r"(?:\[\[?[^\[\]\n]{0,60}\]?|(?:\A|(?<=\n))[ \t]*(?:M|ME|MED|MEDI|MEDIA:?[^\n]*)"
    r"|<(?:[^<>\s][^<>\n]{0,40})?|\b(?:HEARTB[A-Z_]*|NO_[A-Z]*))\Z"
)
"""The beginning of a tag, a link, a directive, a mention or of a word that means silence."""
_TRAILING = re.compile(r"[ \t]+(?=\n)")
_GAPS = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An answer ready to be sent.

    Attributes:
        text: what people see; empty if nothing is left.
        silent: the model chose to say nothing.
        stripped: it had said something, and nothing of that is for people.
        reply_to: id the model wants to answer to, ``"current"``, or empty.
        media: files to send along, as the model named them.
        voice: the recording among them is a voice message.
        speech: how it is to be heard, if the model said so.
    """

    text: str
    silent: bool = False
    stripped: bool = False
    reply_to: str = ""
    media: tuple[str, ...] = ()
    voice: bool = False
    speech: SpeechTags = NO_TAGS


def clean_answer(text: str) -> Cleaned:
    """The visible part of a model's answer, and what is to be heard of it."""
    cleaned = _cleaned(text)
    speech = cleaned.speech
    if not (speech.hidden or speech.part):
        return cleaned
    # what is heard is no other than what may be read; tags in tags are none
    speech = replace(speech, hidden=_cleaned(speech.hidden).text, part=_cleaned(speech.part).text)
    return replace(cleaned, speech=speech, stripped=cleaned.stripped and not speech.hidden)


def _cleaned(text: str) -> Cleaned:
    body, reply_to, voice = text.replace("\x00", "").strip(), "", False
    media: dict[str, None] = {}
    speech = NO_TAGS
    for _ in range(ROUNDS):
        before = body
        body, tags = take_speech_tags(strip_scaffolding(strip_envelopes(body)))
        speech = with_tags(speech, tags)
        found = take_directives(body)
        body, voice = found.text, voice or found.voice
        media |= dict.fromkeys(found.media)
        if is_silent(body):
            return Cleaned("", silent=True, media=tuple(media), voice=voice, speech=speech)
        body, wanted = _take_reply_tag(body)
        body, reply_to = strip_silent(body).strip(), wanted or reply_to
        if body == before:
            break
    else:
        body = ""  # nothing but scaffolding in scaffolding
    body = outside_code(body, _tidy).strip()
    silent = not body and SILENT in text.upper()
    stripped = not (body or silent or media) and bool(text.strip())
    return Cleaned(body, silent, stripped, reply_to, tuple(media), voice, speech)


def is_silent(text: str) -> bool:
    """Whether the whole text is the silent token, bare or as ``{"action": "NO_REPLY"}``."""
    if _ONLY_SILENT.fullmatch(text):
        return True
    bare = text.strip().strip("*`").strip()
    if not bare.startswith("{"):
        return False
    try:
        data = read_json(bare)
    except ValueError:
        return False
    return isinstance(data, dict) and set(data) == {"action"} and data["action"] == SILENT


def strip_silent(text: str) -> str:
    """The token removed where it trails, or where it is glued to the front of the answer."""
    if SILENT not in text:
        return text
    text = re.sub(rf"(?:(?<=\s)|(?<=\*)|\A){SILENT}[*.\s]*\Z", "", text)
    return re.sub(rf"\A\s*{SILENT}(?=[A-Za-z0-9])", "", text)


def held_back(text: str) -> bool:
    """While streaming: the text may still become the silent token, so show nothing yet."""
    bare = text.strip()
    return bool(bare) and len(bare) >= 2 and SILENT.startswith(bare)


def without_beginnings(text: str) -> str:
    """While streaming: the text without what may still become a tag, a directive or a mention."""
    return _UNFINISHED.sub("", text)


def normalised(text: str) -> str:
    """For comparing what was sent with what is about to be: case and white space do not count."""
    return " ".join(text.split()).casefold()


def _tidy(text: str) -> str:
    return _GAPS.sub("\n\n", _TRAILING.sub("", text))


def _take_reply_tag(text: str) -> tuple[str, str]:
    if "[[" not in text:
        return text, ""
    found = ""

    def take(hit: re.Match[str]) -> str:
        nonlocal found
        found = hit.group(1) or "current"
        return ""

    return outside_code(text, lambda part: _TAG_RESIDUE.sub("", _REPLY_TAG.sub(take, part))), found
