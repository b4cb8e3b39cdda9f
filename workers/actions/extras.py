"""What a send carries besides text: files, polls, stickers, embeds, flags (outbound 3.7, 3.10-3.13).

Read from the arguments of whoever asks, a model (:mod:`workers.agent.tools.sends`) or an operator
(:mod:`shoal.cli.message.sending`); the files themselves are read by each of them in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.base.ids import MessageId
from workers.actions.base import ActionError, ArgumentError
from workers.components.sending import Made
from workers.media.voice import NO_RECORDING, NO_TEXT

__all__ = [
    "EXTRA_PROPERTIES",
    "Extras",
    "check_gate",
    "check_gates",
    "check_voice",
    "flag",
    "read_extras",
    "reply_to_of",
]

MAX_FILES = 10
MAX_STICKERS = 3
MAX_EMBEDS = 10
MAX_OPTIONS = 10
MAX_HOURS = 768
MAX_QUESTION = 300
MAX_ANSWER = 55
_SNOWFLAKE = re.compile(r"\d{5,25}")
EMBEDS_LEFT_OUT = "embeds were left out: a message with components cannot have them"

EXTRA_PROPERTIES: dict[str, object] = {
    "media": {
        "type": ["string", "array"],
        "items": {"type": "string"},
        "description": "File to attach: URL or path in the workspace; several as a list.",
    },
    "filename": {"type": "string", "description": "Name of the attached file."},
    "asVoice": {
        "type": "boolean",
        "description": "Send media, a sound file in the workspace, as a voice message; without text.",
    },
    "stickerId": {"type": "array", "items": {"type": "string"}, "description": "1-3 sticker ids."},
    "pollQuestion": {"type": "string"},
    "pollOption": {"type": "array", "items": {"type": "string"}, "description": "2-10 answers."},
    "pollMulti": {"type": "boolean", "description": "Several answers may be chosen."},
    "pollDurationHours": {"type": "integer", "minimum": 1, "maximum": MAX_HOURS},
    "embeds": {"type": "array", "items": {"type": "object"}},
    "silent": {"type": "boolean", "description": "Notify nobody."},
    "suppressEmbeds": {"type": "boolean", "description": "No previews of links."},
}


@dataclass(frozen=True, slots=True)
class Extras:
    """What was asked for. ``stickers``, ``poll`` and ``embeds`` are in Discord's form."""

    media: tuple[str, ...] = ()
    filename: str = ""
    poll: dict[str, Any] | None = None
    stickers: tuple[str, ...] = ()
    embeds: tuple[dict[str, Any], ...] = ()
    silent: bool = False
    suppress_embeds: bool | None = None
    voice: bool = False

    @property
    def any(self) -> bool:
        """There is something to see besides text."""
        return bool(self.media or self.more)

    @property
    def more(self) -> bool:
        """There is something besides text and files."""
        return bool(self.poll or self.stickers or self.embeds)

    def beside(self, made: Made | None) -> tuple[dict[str, Any], ...]:
        """The embeds that can stand beside these components (decision 33)."""
        return () if made is not None and made.flags else self.embeds

    def warning(self, made: Made | None) -> str:
        """What whoever asked is told besides: what was left out, and what is not as safe as it looks."""
        told = [EMBEDS_LEFT_OUT] if self.embeds and not self.beside(made) else []
        if made is not None and made.ignored:
            told.append(f"unknown, and left out: {', '.join(made.ignored)[:300]}")
        if made is not None and made.tags:
            told.append(f"allowedUsers has names ({', '.join(made.tags)[:200]}): names change hands, use ids")
        return "; ".join(told)


def flag(value: Any) -> bool:
    """A boolean; models write it as a word, too."""
    return value.strip().lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)


def read_extras(args: Mapping[str, Any]) -> Extras:
    """The arguments besides text, target and components.

    Raises:
        ArgumentError: one of them is wrong.
    """
    suppress = args.get("suppressEmbeds")
    return Extras(
        media=_media(args),
        filename=str(args.get("filename") or ""),
        poll=_poll(args),
        stickers=_stickers(args),
        embeds=_embeds(args),
        silent=flag(args.get("silent")),
        suppress_embeds=None if suppress is None else flag(suppress),
        voice=flag(args.get("asVoice")),
    )


def reply_to_of(args: Mapping[str, Any]) -> MessageId | None:
    """The message to answer to.

    Raises:
        ArgumentError: that is no id.
    """
    value = args.get("replyTo") or args.get("reply_to") or args.get("replyToId")
    if value is None or value == "":
        return None
    if not _SNOWFLAKE.fullmatch(str(value)):
        raise ArgumentError(f"replyTo {str(value)[:60]!r} is no message id.")
    return MessageId(str(value))


def check_voice(extras: Extras, text: str, *, components: bool) -> None:
    """A voice message is a recording and nothing else (``spec/outbound.md`` 3.15).

    Raises:
        ArgumentError: there is none, or something beside it.
    """
    if not extras.voice:
        return
    if not extras.media:
        raise ArgumentError(NO_RECORDING)
    if len(extras.media) > 1:
        raise ArgumentError(f"A voice message is one recording; here are {len(extras.media)} files.")
    if text:
        raise ArgumentError(NO_TEXT)
    if components:
        raise ArgumentError("Voice messages cannot have components (Discord limitation).")
    if extras.more:
        raise ArgumentError("Voice messages cannot have embeds, polls or stickers (Discord limitation).")


_DISABLED = {
    "messages": "Discord message sends are disabled.",
    "polls": "Discord polls are disabled.",
    "stickers": "Discord stickers are disabled.",
    "threads": "Discord threads are disabled.",
}


def check_gate(gate: str, allows: Callable[[str], bool]) -> None:
    """Refuse an action that ``channels.discord.actions`` has switched off.

    Raises:
        ActionError: its gate is closed.
    """
    if not allows(gate):
        raise ActionError(_DISABLED[gate], fix=f"channels.discord.actions.{gate}: true.")


def check_gates(extras: Extras, allows: Callable[[str], bool]) -> None:
    """The same for what a send carries besides text.

    Raises:
        ActionError: it needs a gate that is closed.
    """
    if extras.poll is not None:
        check_gate("polls", allows)
    if extras.stickers:
        check_gate("stickers", allows)


def _media(args: Mapping[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    for name in ("media", "path", "filePath", "mediaUrl", "mediaUrls"):
        value = args.get(name)
        for item in value if isinstance(value, list) else [value]:
            if item is None or item == "":
                continue
            if not isinstance(item, str):
                raise ArgumentError(f"The argument {name} must be a path or URL, or a list of them.")
            if item.strip() not in found:
                found.append(item.strip())
    if len(found) > MAX_FILES:
        raise ArgumentError(f"{len(found)} files; at most {MAX_FILES} can be sent at once.")
    return tuple(found)


def _stickers(args: Mapping[str, Any]) -> tuple[str, ...]:
    value = args.get("stickerId") if args.get("stickerId") is not None else args.get("stickerIds")
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    ids = tuple(str(item).strip() for item in items if str(item).strip())
    if not ids:
        raise ArgumentError("At least one sticker id is required.")
    if len(ids) > MAX_STICKERS:
        raise ArgumentError("Discord supports up to 3 stickers per message.")
    wrong = next((item for item in ids if not (item.isdecimal() and item.isascii())), None)
    if wrong is not None:
        raise ArgumentError(f"{wrong[:80]!r} is no sticker id.")
    return ids


def _embeds(args: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    value = args.get("embeds")
    if not value:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ArgumentError("The argument embeds must be a list of objects.")
    if len(value) > MAX_EMBEDS:
        raise ArgumentError(f"{len(value)} embeds; Discord supports up to {MAX_EMBEDS} per message.")
    return tuple(value)


def _poll(args: Mapping[str, Any]) -> dict[str, Any] | None:
    """The poll, in Discord's form."""
    question = str(args.get("pollQuestion") or "").strip()
    raw = args.get("pollOption") if args.get("pollOption") is not None else args.get("pollOptions")
    if not question and raw is None:
        return None
    if args.get("pollDurationSeconds") is not None or args.get("durationSeconds") is not None:
        raise ArgumentError("Discord polls do not support durationSeconds; use pollDurationHours.")
    options = [str(item).strip() for item in (raw if isinstance(raw, list) else [raw or ""])]
    _check_poll(question, options)
    hours = args.get("pollDurationHours")
    if isinstance(hours, str) and hours.strip().isdecimal():
        hours = int(hours)
    if hours is not None and (isinstance(hours, bool) or not isinstance(hours, int | float)):
        raise ArgumentError(f"pollDurationHours must be a number from 1 to {MAX_HOURS}.")
    duration = 24 if hours is None else int(hours)
    if not 1 <= duration <= MAX_HOURS:
        raise ArgumentError(f"pollDurationHours must be from 1 to {MAX_HOURS}, not {duration}.")
    return {
        "question": {"text": question},
        "answers": [{"poll_media": {"text": option}} for option in options],
        "duration": duration,
        "allow_multiselect": flag(args.get("pollMulti")),
        "layout_type": 1,
    }


def _check_poll(question: str, options: Sequence[str]) -> None:
    if not question:
        raise ArgumentError("The argument pollQuestion is missing.")
    if len(question) > MAX_QUESTION:
        raise ArgumentError(f"pollQuestion has {len(question)} characters; at most {MAX_QUESTION}.")
    if not 2 <= len(options) <= MAX_OPTIONS or not all(options):
        raise ArgumentError(f"pollOption must be a list of 2 to {MAX_OPTIONS} answers that are not empty.")
    long = next((option for option in options if len(option) > MAX_ANSWER), None)
    if long is not None:
        raise ArgumentError(f"The answer {long[:60]!r} has {len(long)} characters; at most {MAX_ANSWER}.")
