"""The files of a send of the message tool: read when it is pushed, against what its components show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from workers.actions.base import ArgumentError
from workers.actions.extras import Extras
from workers.agent.tools.registry import ToolContext, ToolError
from workers.components.sending import Made
from workers.components.spec import ATTACHMENT
from workers.delivery.outgoing import FileRefused, distinct
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
) -> tuple[tuple[SendFile, ...], Made | None]:
    """The files of a send, read now, and the components with them.

    Raises:
        RequestError: one cannot be sent, or does not go with the components.
    """
    in_components = made is not None and bool(made.flags)
    called = _called(extras, made.file_names) if made is not None and in_components else []
    if not extras.media:
        return (), made
    if load is None:
        raise ToolError("Files cannot be sent here.")
    found: list[SendFile] = []
    for number, source in enumerate(extras.media):
        context.turn.check()
        filename = (called[number] if called else "") or (extras.filename if number == 0 else "")
        check = context.turn.moved
        try:
            voice = extras.voice and number == 0
            found.append(load(context.request, source, filename=filename, check=check, voice=voice))
        except FileRefused as error:
            raise ToolError(f"media {_short(source)}: {error.message} {error.fix}".strip()) from error
    if made is None or not in_components:
        return tuple(found), made
    files = distinct(found)
    return files, made.showing(dict(zip((one.filename for one in files), called, strict=True)))


def _called(extras: Extras, names: Sequence[str]) -> list[str]:
    """What the components call each file: by the name it has, the others in their order; empty for none.

    Raises:
        ArgumentError: the components show a file that is not there, or ``filename`` is another.
    """
    if names and extras.filename and extras.filename not in names:
        raise ArgumentError(
            f"The file block names {names[0]!r} and filename says {extras.filename!r}: set filename to "
            f"{names[0]!r}, or leave it out."
        )
    free, found = list(names), [""] * len(extras.media)
    for number, source in enumerate(extras.media):
        own = (extras.filename if number == 0 else "") or source.partition("?")[0].rpartition("/")[2]
        if own in free:
            free.remove(own)
            found[number] = own
    for number, name in enumerate(found):
        if free and not name:
            found[number] = free.pop(0)
    if free:
        raise ArgumentError(f"The components show {ATTACHMENT}{free[0]}, and there is no media for it.")
    return found


def _short(source: str) -> str:
    """A source as it may be repeated: without the query, which may hold a key."""
    return source.partition("?")[0][:120]
