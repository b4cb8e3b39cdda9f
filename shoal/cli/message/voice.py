"""``--as-voice``: a file of this machine becomes a voice message, here and at once (3.15)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shoal.base.errors import ProcessError
from shoal.base.exits import FAILED, USAGE
from workers.agent.tools.outgoing import Extras, check_voice
from workers.agent.tools.registry import ToolError
from workers.delivery.records import SendFile, Voice
from workers.media.recoding import recode
from workers.media.voice import MIME, NO_ADDRESS, VOICE_NAME, VoiceError, is_address

__all__ = ["BLOB_TTL_S", "voice_file", "voice_problem"]

BLOB_TTL_S = 7 * 3600
"""Longer than a send may wait in its lane."""


def voice_problem(extras: Extras, text: str, *, card: bool) -> None:
    """Nothing, if this can be sent.

    Raises:
        ProcessError: a voice message was asked for, and it has no recording, or something beside it.
    """
    try:
        check_voice(extras, text.strip(), components=card)
    except ToolError as error:
        raise ProcessError(error.message, fix="Give --media and no --message.", exit_code=USAGE) from None


def voice_file(source: str, keep: Callable[[bytes, int], str]) -> SendFile:
    """The recording as a voice message; ``keep`` stores its bytes and names them.

    Raises:
        ProcessError: it cannot be made; names the step.
    """
    path = Path(source).expanduser()
    fix = "--media takes a file of this machine."
    if is_address(source):
        raise ProcessError(NO_ADDRESS, fix=fix, exit_code=USAGE)
    if not path.is_file():
        raise ProcessError(f"There is no file {source!r}.", fix=fix, exit_code=USAGE)
    try:
        with path.open("rb") as file:
            made = recode(file)
    except VoiceError as error:
        message = f"No voice message can be made of {path.name!r} (step {error.step}): {error.message}"
        raise ProcessError(message, fix=error.fix, exit_code=FAILED) from None
    shown = Voice(made.seconds, made.waveform)
    return SendFile(keep(made.data, BLOB_TTL_S), VOICE_NAME, MIME, voice=shown)
