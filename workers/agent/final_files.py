"""The files of a final answer (``MEDIA:`` lines, ``spec/outbound.md`` 3.9, 3.10).

Nobody can be asked any more when one cannot be sent, so people read in its place why not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shoal.base.logging import get_logger
from workers.agent.context import TurnContext
from workers.agent.tools.files import LoadFile
from workers.delivery.outgoing import FileRefused, file_name
from workers.delivery.records import SendFile
from workers.delivery.texts import language_of, say
from workers.sessions.records import TurnRequest

__all__ = ["FinalFiles", "final_files", "without_files"]

log = get_logger(__name__)


class FinalFiles(Protocol):
    """Reads the files of an answer."""

    def __call__(
        self, request: TurnRequest, text: str, sources: Sequence[str], *, voice: bool = False
    ) -> tuple[tuple[SendFile, ...], str, str]:
        """The files, the text with what is said of missing ones, and what a transcript says.

        Args:
            voice: the first file becomes a voice message (``[[audio_as_voice]]``), if it can.
        """
        ...


def final_files(load: LoadFile, context: TurnContext) -> FinalFiles:
    """Reads the files of the answer of a turn."""

    def one(request: TurnRequest, source: str, voice: bool) -> SendFile:
        if voice:
            try:
                return load(request, source, filename="", check=context.moved, voice=True)
            except FileRefused as error:  # heard as a file is better than not heard
                log.warning("no voice message but a file", message_id=request.message_id, error=error)
        return load(request, source, filename="", check=context.moved)

    def read(
        request: TurnRequest, text: str, sources: Sequence[str], *, voice: bool = False
    ) -> tuple[tuple[SendFile, ...], str, str]:
        files: list[SendFile] = []
        skipped: list[str] = []
        for number, source in enumerate(sources):
            context.moved()
            try:
                files.append(one(request, source, voice and number == 0))
            except FileRefused as error:
                log.warning("a file of an answer was not sent", message_id=request.message_id, error=error)
                skipped.append(_notice(request, source, error.message))
        sent = ["[voice message sent]" if file.voice else f"[file sent: {file.filename}]" for file in files]
        return tuple(files), _joined(text, skipped), _joined(text, [*sent, *skipped])

    return read


def without_files(
    request: TurnRequest, text: str, sources: Sequence[str], *, voice: bool = False
) -> tuple[tuple[SendFile, ...], str, str]:
    """Where no files can be read."""
    del voice
    told = _joined(text, [_notice(request, source, "Files cannot be sent here.") for source in sources])
    return (), told, told


def _notice(request: TurnRequest, source: str, reason: str) -> str:
    name = file_name(source.partition("?")[0], "")
    return say("file-skipped", language_of(request.text), name=name, reason=reason.rstrip("."))


def _joined(text: str, lines: Sequence[str]) -> str:
    return "\n\n".join(part for part in (text, "\n".join(lines)) if part)
