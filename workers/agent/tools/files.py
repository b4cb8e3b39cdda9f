"""The files of a send of the message tool: read when it is pushed, against what its components show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from workers.actions.extras import Extras
from workers.agent.tools.registry import ToolContext, ToolError
from workers.components.sending import Made
from workers.delivery.outgoing import FileRefused
from workers.delivery.records import SendFile
from workers.sessions.records import TurnRequest

__all__ = ["LoadFile", "load_files"]


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


def _short(source: str) -> str:
    """A source as it may be repeated: without the query, which may hold a key."""
    return source.partition("?")[0][:120]
