"""Makes voice messages in a process of its own: niced, bounded, without anything of the fleet's in it.

Decoding is work for the processor, and a file may be made to break a decoder. So it happens neither in a
thread that others wait for nor in a process that holds tokens: a child reads the file (its standard input),
writes the answer and ends. It dies with its parent, gets an empty environment, and the system bounds
its time and memory. At most :data:`AT_ONCE` of them run for one process; others wait for their turn.

    answer:  {"seconds": …, "waveform": …, "cut": …}, a line feed, the file;  or  {"step": …, "message": …, …}
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO

from shoal.base.process import die_with_parent
from workers.media.voice import MadeVoice, VoiceError, make_voice, missing_extra

__all__ = ["has_extra", "recode", "recode_bytes"]

AT_ONCE = 2
BUSY_S = 60.0
"""So long one waits for its turn."""
LIMIT_S = 180.0
CPU_S = 90
"""Twenty minutes of sound take some 10 seconds of one core."""
LOOK_S = 0.1
MEMORY_BYTES = 2 * 1024**3
MAX_ANSWER = 64 * 1024**2

_slots = threading.BoundedSemaphore(AT_ONCE)


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
    with _turn(check), tempfile.TemporaryFile() as answer:
        code = _run(source, answer, check)
        answer.seek(0)
        return _read(answer, code)


@contextlib.contextmanager
def _turn(check: Callable[[], None]) -> Iterator[None]:
    ends = time.monotonic() + BUSY_S
    while not _slots.acquire(timeout=LOOK_S):
        check()
        if time.monotonic() > ends:
            raise VoiceError("wait", "Too many recordings are being converted; try again in a minute.")
    try:
        yield
    finally:
        _slots.release()


def _run(source: BinaryIO | IO[bytes], answer: IO[bytes], check: Callable[[], None]) -> int:
    """The child's exit code."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", __name__, str(os.getpid())],
        stdin=source,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath},
        cwd="/",
    )
    ends = time.monotonic() + LIMIT_S
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(LOOK_S)
            check()
            if time.monotonic() > ends:
                raise VoiceError("convert", f"The recording was not converted within {LIMIT_S:g} seconds.")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def _read(answer: IO[bytes], code: int) -> MadeVoice:
    try:
        told = json.loads(answer.readline(MAX_ANSWER))
    except ValueError:
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise VoiceError("convert", f"The recording broke the converter ({why}).") from None
    if "step" in told:
        raise VoiceError(told["step"], told["message"], fix=told["fix"])
    return MadeVoice(answer.read(MAX_ANSWER), told["seconds"], told["waveform"], told["cut"])


def _main(parent: int) -> None:
    """The child."""
    import resource

    die_with_parent(parent)
    os.nice(10)
    for limit, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MAX_ANSWER),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    out = sys.stdout.buffer
    try:
        made = make_voice(sys.stdin.buffer)
    except VoiceError as error:
        told = {"step": error.step, "message": error.message, "fix": error.fix}
        out.write(json.dumps(told).encode() + b"\n")
        return
    facts = {"seconds": made.seconds, "waveform": made.waveform, "cut": made.cut}
    out.write(json.dumps(facts).encode() + b"\n" + made.data)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
