"""``--as-voice``: a file of this machine becomes a voice message, here and at once (3.15)."""

from __future__ import annotations

from pathlib import Path

from shoal.base.errors import ProcessError
from shoal.base.exits import FAILED, USAGE
from workers.delivery.outgoing import Put, keep_voice
from workers.delivery.records import SendFile
from workers.media.recoding import recode
from workers.media.voice import NO_ADDRESS, VoiceError, is_address

__all__ = ["voice_file"]


def voice_file(source: str, put: Put) -> SendFile:
    """The recording as a voice message; ``put`` keeps its bytes.

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
    return keep_voice(put, made)
