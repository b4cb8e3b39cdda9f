"""What a send of the message tool carries besides text: files, polls, stickers, embeds, flags.

Read from the arguments here, with errors the model can act on; files are read when the send is pushed
(``spec/outbound.md`` 3.7, 3.10-3.13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workers.agent.tools.registry import ToolContext, ToolError
from workers.components.sending import Made
from workers.delivery.outgoing import FileRefused
from workers.delivery.records import SendFile
from workers.media.voice import NO_RECORDING, NO_TEXT
from workers.sessions.records import TurnRequest

__all__ = [
    "EXTRA_PROPERTIES",
    "Extras",
    "LoadFile",
    "check_gate",
    "check_gates",
    "check_voice",
    "load_files",
    "read_extras",
]

MAX_FILES = 10
MAX_STICKERS = 3
MAX_EMBEDS = 10
MAX_OPTIONS = 10
MAX_HOURS = 768
MAX_QUESTION = 300
MAX_ANSWER = 55
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


class LoadFile(Protocol):
    """Reads a file for a conversation; raises :class:`FileRefused`."""

    def __call__(
        self,
        request: TurnRequest,
        source: str,
        *,
        filename: str,
        check: Callable[[], None],
        voice: bool = False,
    ) -> SendFile:
        """The file, its bytes in a blob. ``voice``: a voice message made of it."""
        ...


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
        """What the model is told of a send that went out with less than it asked for."""
        return EMBEDS_LEFT_OUT if self.embeds and not self.beside(made) else ""


def flag(value: Any) -> bool:
    """A boolean; models write it as a word, too."""
    return value.strip().lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)


def read_extras(args: Mapping[str, Any]) -> Extras:
    """The arguments besides text, target and components.

    Raises:
        ToolError: one of them is wrong.
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


def check_voice(extras: Extras, text: str, *, components: bool) -> None:
    """A voice message is a recording and nothing else (``spec/outbound.md`` 3.15).

    Raises:
        ToolError: there is none, or something beside it.
    """
    if not extras.voice:
        return
    if not extras.media:
        raise ToolError(NO_RECORDING)
    if len(extras.media) > 1:
        raise ToolError(f"A voice message is one recording; here are {len(extras.media)} files.")
    if text:
        raise ToolError(NO_TEXT)
    if components:
        raise ToolError("Voice messages cannot have components (Discord limitation).")
    if extras.more:
        raise ToolError("Voice messages cannot have embeds, polls or stickers (Discord limitation).")


_DISABLED = {
    "messages": "Discord message sends are disabled.",
    "polls": "Discord polls are disabled.",
    "stickers": "Discord stickers are disabled.",
    "threads": "Discord threads are disabled.",
}


def check_gate(gate: str, allows: Callable[[str], bool]) -> None:
    """Refuse an action that ``channels.discord.actions`` has switched off.

    Raises:
        ToolError: its gate is closed.
    """
    if not allows(gate):
        raise ToolError(_DISABLED[gate])


def check_gates(extras: Extras, allows: Callable[[str], bool]) -> None:
    """The same for what a send carries besides text.

    Raises:
        ToolError: it needs a gate that is closed.
    """
    if extras.poll is not None:
        check_gate("polls", allows)
    if extras.stickers:
        check_gate("stickers", allows)


def load_files(
    extras: Extras, made: Made | None, load: LoadFile | None, context: ToolContext
) -> tuple[SendFile, ...]:
    """The files of a send, read now.

    Raises:
        ToolError: one cannot be sent, or does not go with the components.
    """
    names = made.file_names if made is not None else ()
    if made is not None and made.flags and (extras.media or names):
        if len(extras.media) > 1 or len(names) > 1:
            raise ToolError(
                "With components there can be one file "
                f"(here: {len(names)} shown by the components, {len(extras.media)} media)."
            )
        if not extras.media:
            raise ToolError(f"The components show attachment://{names[0]}, and there is no media.")
        if names and extras.filename and extras.filename != names[0]:
            raise ToolError(
                f"The file block names {names[0]!r} and filename says {extras.filename!r}: set filename to "
                f"{names[0]!r}, or leave it out."
            )
    if not extras.media:
        return ()
    if load is None:
        raise ToolError("Files cannot be sent here.")
    found = []
    for number, source in enumerate(extras.media):
        context.turn.check()
        filename = names[0] if names else extras.filename if number == 0 else ""
        check = context.turn.moved
        try:
            voice = extras.voice and number == 0
            found.append(load(context.request, source, filename=filename, check=check, voice=voice))
        except FileRefused as error:
            raise ToolError(f"media {_short(source)}: {error.message} {error.fix}".strip()) from error
    return tuple(found)


def _media(args: Mapping[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    for name in ("media", "path", "filePath", "mediaUrl", "mediaUrls"):
        value = args.get(name)
        for item in value if isinstance(value, list) else [value]:
            if item is None or item == "":
                continue
            if not isinstance(item, str):
                raise ToolError(f"The argument {name} must be a path or URL, or a list of them.")
            if item.strip() not in found:
                found.append(item.strip())
    if len(found) > MAX_FILES:
        raise ToolError(f"{len(found)} files; at most {MAX_FILES} can be sent at once.")
    return tuple(found)


def _stickers(args: Mapping[str, Any]) -> tuple[str, ...]:
    value = args.get("stickerId") if args.get("stickerId") is not None else args.get("stickerIds")
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    ids = tuple(str(item).strip() for item in items if str(item).strip())
    if not ids:
        raise ToolError("At least one sticker id is required.")
    if len(ids) > MAX_STICKERS:
        raise ToolError("Discord supports up to 3 stickers per message.")
    wrong = next((item for item in ids if not (item.isdecimal() and item.isascii())), None)
    if wrong is not None:
        raise ToolError(f"{wrong[:80]!r} is no sticker id.")
    return ids


def _embeds(args: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    value = args.get("embeds")
    if not value:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ToolError("The argument embeds must be a list of objects.")
    if len(value) > MAX_EMBEDS:
        raise ToolError(f"{len(value)} embeds; Discord supports up to {MAX_EMBEDS} per message.")
    return tuple(value)


def _poll(args: Mapping[str, Any]) -> dict[str, Any] | None:
    """The poll, in Discord's form."""
    question = str(args.get("pollQuestion") or "").strip()
    raw = args.get("pollOption") if args.get("pollOption") is not None else args.get("pollOptions")
    if not question and raw is None:
        return None
    if args.get("pollDurationSeconds") is not None or args.get("durationSeconds") is not None:
        raise ToolError("Discord polls do not support durationSeconds; use pollDurationHours.")
    options = [str(item).strip() for item in (raw if isinstance(raw, list) else [raw or ""])]
    _check_poll(question, options)
    hours = args.get("pollDurationHours")
    if isinstance(hours, str) and hours.strip().isdecimal():
        hours = int(hours)
    if hours is not None and (isinstance(hours, bool) or not isinstance(hours, int | float)):
        raise ToolError(f"pollDurationHours must be a number from 1 to {MAX_HOURS}.")
    duration = 24 if hours is None else int(hours)
    if not 1 <= duration <= MAX_HOURS:
        raise ToolError(f"pollDurationHours must be from 1 to {MAX_HOURS}, not {duration}.")
    return {
        "question": {"text": question},
        "answers": [{"poll_media": {"text": option}} for option in options],
        "duration": duration,
        "allow_multiselect": flag(args.get("pollMulti")),
        "layout_type": 1,
    }


def _check_poll(question: str, options: Sequence[str]) -> None:
    if not question:
        raise ToolError("The argument pollQuestion is missing.")
    if len(question) > MAX_QUESTION:
        raise ToolError(f"pollQuestion has {len(question)} characters; at most {MAX_QUESTION}.")
    if not 2 <= len(options) <= MAX_OPTIONS or not all(options):
        raise ToolError(f"pollOption must be a list of 2 to {MAX_OPTIONS} answers that are not empty.")
    long = next((option for option in options if len(option) > MAX_ANSWER), None)
    if long is not None:
        raise ToolError(f"The answer {long[:60]!r} has {len(long)} characters; at most {MAX_ANSWER}.")


def _short(source: str) -> str:
    """A source as it may be repeated: without the query, which may hold a key."""
    return source.partition("?")[0][:120]
