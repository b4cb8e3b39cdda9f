"""Makes voice messages in a child (:mod:`workers.media.children`).

It tells ``{"seconds": …, "waveform": …, "cut": …}``; where it failed ``{"step": …, "message": …, "fix": …}``.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from typing import IO, Any, BinaryIO

from workers.media.children import ChildFailed, answer_as_child, run_child
from workers.media.voice import MadeVoice, VoiceError, make_voice, missing_extra

__all__ = ["has_extra", "recode", "recode_bytes"]


def has_extra() -> bool:
    """Whether PyAV is installed here."""
    return importlib.util.find_spec("av") is not None


def recode_bytes(data: bytes, *, check: Callable[[], None] = lambda: None) -> MadeVoice:
    """As :func:`recode`, of what is in memory."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return recode(file, check=check)


def recode(source: BinaryIO | IO[bytes], *, check: Callable[[], None] = lambda: None) -> MadeVoice:
    """Make a voice message of an open file, which must be a real one.

    Args:
        check: called all the while; what it raises ends the work.

    Raises:
        VoiceError: it cannot be done; ``step`` says where it ended.
    """
    if not has_extra():
        raise missing_extra()
    try:
        told, data = run_child(__name__, source, check=check)
    except ChildFailed as failed:
        if failed.busy:
            raise VoiceError("wait", str(failed)) from None
        raise VoiceError("convert", f"The recording {failed}") from None
    if "step" in told:
        raise VoiceError(told["step"], told["message"], fix=told["fix"])
    return MadeVoice(data, told["seconds"], told["waveform"], told["cut"])


def _work(source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """In the child."""
    try:
        made = make_voice(source)
    except VoiceError as error:
        return {"step": error.step, "message": error.message, "fix": error.fix}, b""
    return {"seconds": made.seconds, "waveform": made.waveform, "cut": made.cut}, made.data


if __name__ == "__main__":
    answer_as_child(sys.argv[1:], _work)
