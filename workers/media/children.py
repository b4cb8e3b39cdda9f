"""Work on what strangers made, in a process of its own: niced, bounded, without anything of the fleet's.

Decoding is work for the processor, and a file may be made to break a decoder. So it happens neither in a
thread that others wait for nor in a process that holds tokens: a child reads the file (its standard input),
writes the answer and ends. It dies with its parent, gets an empty environment, and the system bounds
its time and memory. At most :data:`AT_ONCE` of them run for one process; others wait for their turn.

    answer:  one JSON object, a line feed, the bytes that were made
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, BinaryIO

from shoal.base.process import die_with_parent

__all__ = ["ChildFailed", "answer_as_child", "run_child"]

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


class ChildFailed(Exception):
    """There is no answer. ``busy``: it did not even begin. Its text says why."""

    def __init__(self, why: str, *, busy: bool = False) -> None:
        self.busy = busy
        super().__init__(why)


def run_child(
    module: str,
    source: BinaryIO | IO[bytes],
    arguments: Sequence[str] = (),
    *,
    check: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Any], bytes]:
    """Have a module work on an open file, which must be a real one; what it tells, and the bytes it made.

    Args:
        module: calls :func:`answer_as_child` where it is run as a program.
        check: called all the while; what it raises ends the work.

    Raises:
        ChildFailed: too many work already, or it broke or took too long.
    """
    with _turn(check), tempfile.TemporaryFile() as answer:
        code = _run(module, source, arguments, answer, check)
        answer.seek(0)
        try:
            told = json.loads(answer.readline(MAX_ANSWER))
        except ValueError:
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise ChildFailed(f"broke the converter ({why}).") from None
        return told, answer.read(MAX_ANSWER)


def answer_as_child(arguments: Sequence[str], work: Callable[..., tuple[dict[str, Any], bytes]]) -> None:
    """The child's side: bound this process, work on its standard input, answer.

    Args:
        arguments: as the parent gave them, ``sys.argv[1:]``.
        work: gets the input and the arguments of :func:`run_child`.
    """
    import resource

    die_with_parent(int(arguments[0]))
    os.nice(10)
    for limit, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MAX_ANSWER),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    told, made = work(sys.stdin.buffer, *arguments[1:])
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + made)


@contextlib.contextmanager
def _turn(check: Callable[[], None]) -> Iterator[None]:
    ends = time.monotonic() + BUSY_S
    while not _slots.acquire(timeout=LOOK_S):
        check()
        if time.monotonic() > ends:
            raise ChildFailed("Too many files are being converted; try again in a minute.", busy=True)
    try:
        yield
    finally:
        _slots.release()


def _run(
    module: str,
    source: BinaryIO | IO[bytes],
    arguments: Sequence[str],
    answer: IO[bytes],
    check: Callable[[], None],
) -> int:
    """The child's exit code."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", module, str(os.getpid()), *arguments],
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
                raise ChildFailed(f"was not converted within {LIMIT_S:g} seconds.")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
