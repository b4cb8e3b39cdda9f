"""What a model says about how its answer sounds: ``[[tts…]]`` (OpenClaw's model-driven overrides).

    [[tts]]                          read this answer aloud
    [[tts]]words[[/tts]]             read these of its words aloud
    [[tts:text]]words[[/tts:text]]   read these words aloud instead; nobody sees them (as [[tts:words]])
    [[tts:voice=ash speed=1.1]]      read this answer aloud, so

Tags are for us: they are taken out wherever people would see them, whatever the config makes of them. Inside
code they are text about them and stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from config.speech import Choice, Speaker, Speech
from workers.agent.scaffolding import code_spans, outside_code

__all__ = [
    "NO_TAGS",
    "SpeechTags",
    "chosen_speakers",
    "hidden_text",
    "take_speech_tags",
    "with_tags",
    "written",
]

_HIDDEN = re.compile(r"\[\[\s*tts\s*:\s*text\s*\]\]", re.IGNORECASE)
_HIDDEN_END = re.compile(r"\[\[\s*/\s*tts\s*(?::\s*text\s*)?\]\]", re.IGNORECASE)
_PART_END = re.compile(r"\[\[\s*/\s*tts\s*\]\]", re.IGNORECASE)
_WISH = re.compile(r"\[\[\s*tts\s*:\s*([^\]\n]{1,400})\]\]", re.IGNORECASE)
_BARE = re.compile(r"\[\[\s*tts\s*\]\]", re.IGNORECASE)
_RESIDUE = re.compile(r"\[\[\s*/?\s*tts\b[^\[\]\n]{0,400}(?:\]\]?|(?=[\[\n])|\Z)", re.IGNORECASE)
"""What is not written as it should be: nothing is done, and nobody reads it (11 row 23)."""
_PAIR = re.compile(r"([A-Za-z_]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s,;]+)")
_NAME = re.compile(r"[\w./:@-][\w ./:@-]{0,99}")
_KEYS: dict[str, tuple[Choice, str]] = {
    "provider": ("provider", "provider"),
    **dict.fromkeys(("voice", "voiceid", "openaivoice", "elevenlabsvoice"), ("voice", "voice")),
    **dict.fromkeys(("model", "modelid", "openaimodel", "elevenlabsmodel"), ("model", "model")),
    "speed": ("settings", "speed"),
    "stability": ("settings", "stability"),
    **dict.fromkeys(("similarity", "similarityboost"), ("settings", "similarity_boost")),
    "style": ("settings", "style"),
    **dict.fromkeys(("speakerboost", "usespeakerboost"), ("settings", "use_speaker_boost")),
    **dict.fromkeys(("normalize", "applytextnormalization"), ("normalization", "apply_text_normalization")),
    **dict.fromkeys(("language", "languagecode"), ("normalization", "language_code")),
    "seed": ("seed", "seed"),
}
"""What a key is called here, and by which right it counts. Keys are read without case and underscores."""


@dataclass(frozen=True, slots=True)
class SpeechTags:
    """What the tags of an answer said.

    Attributes:
        asked: there was one.
        hidden: words that are heard instead of the answer, and not shown.
        part: words of the answer that are heard instead of all of it.
        wishes: how they are spoken, by the names of ``_KEYS``, as written.
    """

    asked: bool = False
    hidden: str = ""
    part: str = ""
    wishes: Mapping[str, str] = field(default_factory=dict)


NO_TAGS = SpeechTags()


def take_speech_tags(text: str) -> tuple[str, SpeechTags]:
    """The text without its tags, and what they said."""
    if "[[" not in text or "tts" not in text.lower():
        return text, NO_TAGS
    hidden: list[str] = []
    parts: list[str] = []
    wishes: dict[str, str] = {}
    asked = False

    def hide(words: str) -> str:
        hidden.append(words.strip())
        return ""

    def keep(words: str) -> str:
        parts.append(words.strip())
        return words

    def wish(hit: re.Match[str]) -> str:
        nonlocal asked
        asked = True
        if "=" in hit.group(1):
            wishes.update(_wishes(hit.group(1)))
        else:
            hidden.append(hit.group(1).strip())
        return ""

    def bare(_hit: re.Match[str]) -> str:
        nonlocal asked
        asked = True
        return ""

    text = _between(_HIDDEN, _HIDDEN_END, hide, text, open_end=True)
    text = _between(_BARE, _PART_END, keep, text, open_end=False)
    text = outside_code(text, lambda part: _RESIDUE.sub("", _BARE.sub(bare, _WISH.sub(wish, part))))
    said = SpeechTags(
        bool(asked or hidden or parts),
        "\n\n".join(filter(None, hidden)),
        "\n\n".join(filter(None, parts)),
        wishes,
    )
    return text, said


def written(tags: SpeechTags) -> str:
    """The tags as text that says the same, but for words of the answer itself: for a journal."""
    wishes = " ".join(f'{name}="{value}"' for name, value in tags.wishes.items())
    parts = ("[[tts]]" if tags.asked else "", f"[[tts:{wishes}]]" if wishes else "", hidden_text(tags))
    return "".join(parts)


def _between(
    opening: re.Pattern[str],
    closing: re.Pattern[str],
    change: Callable[[str], str],
    text: str,
    *,
    open_end: bool,
) -> str:
    """``text`` with what stands between two tags changed, and without these. Each piece is looked at once.

    Args:
        open_end: what is not closed goes to the end of the text.
    """
    pieces, kept, start = list[str](), 0, 0
    spans, end = iter(code_spans(text)), closing.search(text)
    span = next(spans, None)
    while (hit := opening.search(text, start)) is not None:
        while span is not None and span[1] <= hit.start():
            span = next(spans, None)
        if span is not None and span[0] <= hit.start():
            start = span[1]
            continue
        while end is not None and end.start() < hit.end():
            end = closing.search(text, end.end())
        start = hit.end()
        if end is None and not open_end:
            break
        stop, behind = (end.start(), end.end()) if end is not None else (len(text), len(text))
        again = opening.search(text, start, stop)
        if again is not None and not open_end:
            continue
        pieces += [text[kept : hit.start()], change(text[start:stop])]
        kept = start = behind
    return "".join(pieces) + text[kept:]


def hidden_text(tags: SpeechTags) -> str:
    """An answer that is heard and not seen, as its model wrote it: for the transcript."""
    return f"[[tts:text]]{tags.hidden}[[/tts:text]]" if tags.hidden else ""


def with_tags(one: SpeechTags, other: SpeechTags) -> SpeechTags:
    """Both together; what ``other`` says counts where they differ."""
    return replace(
        other,
        asked=one.asked or other.asked,
        hidden=other.hidden or one.hidden,
        part=other.part or one.part,
        wishes={**one.wishes, **other.wishes},
    )


def chosen_speakers(speech: Speech, wishes: Mapping[str, str]) -> tuple[Speaker, ...]:
    """Who speaks, and how, where a model has wishes; what it may not have, or makes no sense, is none."""
    may = {name for choice, name in _KEYS.values() if choice in speech.choices}
    wanted = {name: value for name, value in wishes.items() if name in may}
    provider = wanted.get("provider", "").lower()
    speakers = sorted(speech.speakers, key=lambda one: bool(provider) and one.provider.lower() != provider)
    if not speakers:
        return ()
    first, *rest = speakers
    voice, model = (
        wanted.get(name, "") if _NAME.fullmatch(wanted.get(name, "")) else "" for name in ("voice", "model")
    )
    first = replace(first, voice=voice or first.voice, model=model or first.model)
    return (replace(first, more=_settings(first, wanted)), *rest)


def _settings(speaker: Speaker, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The further fields of a request, with those a model wants where the service knows them."""
    more = dict(speaker.more)
    for name, read in _VALUES.items():
        known = speaker.api == "elevenlabs" or (name == "speed" and speaker.api == "openai")
        value = read(wanted[name]) if known and name in wanted else None
        if value is None:
            continue
        if name in _VOICE_SETTINGS:
            more["voice_settings"] = {**(more.get("voice_settings") or {}), name: value}
        else:
            more[name] = value
    return more


def _wishes(body: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in _PAIR.findall(body):
        known = _KEYS.get(key.lower().replace("_", ""))
        if known is not None:
            found[known[1]] = value.strip("\"'")
    return found


def _number(least: float, most: float) -> Callable[[str], float | None]:
    def read(value: str) -> float | None:
        try:
            number = float(value)
        except ValueError:
            return None
        return number if least <= number <= most else None

    return read


def _word(pattern: str) -> Callable[[str], str | None]:
    return lambda value: value.lower() if re.fullmatch(pattern, value, re.IGNORECASE) else None


_VALUES: dict[str, Callable[[str], Any]] = {
    "speed": _number(0.25, 4.0),
    "stability": _number(0.0, 1.0),
    "similarity_boost": _number(0.0, 1.0),
    "style": _number(0.0, 1.0),
    "use_speaker_boost": lambda value: value.lower() in ("true", "1", "yes", "on"),
    "apply_text_normalization": _word("auto|on|off"),
    "language_code": _word("[a-z]{2}"),
    "seed": lambda value: int(value) if re.fullmatch(r"[0-9]{1,10}", value) else None,
}
"""How the settings are read; ``None``: that is none."""
_VOICE_SETTINGS = frozenset({"stability", "similarity_boost", "style", "use_speaker_boost"})
"""ElevenLabs has them in ``voice_settings``."""
