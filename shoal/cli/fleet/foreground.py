"""The terminal side of a fleet: starts the supervisor, prints the merged log, listens for signals, drains.

A process of its own image, without config or Redis client: it lives as long as the fleet.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from shoal.base.errors import ShoalError
from shoal.base.exits import FAILED
from shoal.base.process import hide_memory
from shoal.cli.exits import exit_code, report
from shoal.cli.fleet.layout import Fatal, Layout, Lock
from shoal.cli.fleet.plan import Program
from shoal.cli.fleet.running import Fleet
from shoal.cli.fleet.view import Follower, render_line

__all__ = ["become", "main"]

POLL_S = 0.2
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def become(layout: Layout, programs: Sequence[Program], env: Mapping[str, str], lock: Lock) -> NoReturn:
    """Replace this process by the foreground of a fleet; the lock goes with it."""
    os.set_inheritable(lock.fd, True)
    words = json.dumps([[program.name, list(program.args), program.group] for program in programs])
    argv = ["-P", "-m", "shoal.cli.fleet.foreground", str(layout.state_dir), str(lock.fd), words]
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # a Ctrl-C in between waits until somebody listens
    os.execve(sys.executable, [sys.executable, *argv], dict(env))  # noqa: S606 - ourselves again, no shell


def main(argv: Sequence[str]) -> int:
    """Run the fleet that ``become`` was given; returns the exit code."""
    hide_memory()
    state_dir, lock_fd, words = argv
    layout, lock = Layout(Path(state_dir)), Lock.inherited(Path(state_dir), int(lock_fd))
    programs = [Program(name, tuple(args), group) for name, args, group in json.loads(words)]
    try:
        return _Foreground(Fleet(layout, programs, os.environ, lock), programs).run()
    except ShoalError as error:
        report(error)
        return exit_code(error)


class _Foreground:
    """The terminal side: prints lines, listens for signals, drains."""

    def __init__(self, fleet: Fleet, programs: Sequence[Program]) -> None:
        self._fleet = fleet
        self._programs = programs
        self._follower = Follower(fleet.layout.out)
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._width = max(len("supervisor"), *(len(program.name) for program in programs))
        self._stop = threading.Event()
        self._signals = 0
        self._said: set[Fatal] = set()

    def run(self) -> int:
        for number in _ENDING:
            signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        names = ", ".join(program.name for program in self._programs)
        print(f"Shoal starts: {names}. Ctrl-C stops it; nothing in flight is lost.", flush=True)
        self._fleet.start()
        trouble: ShoalError | None = None
        while not self._stop.wait(POLL_S):
            self._show()
            try:
                fatals = self._fleet.check()
            except ShoalError as error:
                trouble = error
                break
            for fatal in fatals:
                if fatal not in self._said:
                    self._said.add(fatal)
                    print(
                        f"error: {fatal.process} is out, the others go on: {fatal.message}", file=sys.stderr
                    )
        drained = self._drain()
        if trouble is not None:
            raise trouble
        print("Shoal has stopped." if drained else "Shoal was stopped the hard way.", flush=True)
        return 0 if drained else FAILED

    def _drain(self) -> bool:
        """Stop in a thread of its own, so that the log of the last seconds is seen."""
        done = threading.Event()
        result: list[bool] = []

        def stop() -> None:
            result.append(self._fleet.stop())
            done.set()

        threading.Thread(target=stop, name="drain", daemon=True).start()
        while not done.wait(POLL_S):
            self._show()
            if self._signals > 1:
                print("Asked twice: ending everything now.", flush=True)
                self._fleet.kill()
                done.wait()
                result[:] = [False]
        self._show()
        return result[0]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._stop.set()

    def _show(self) -> None:
        for line in self._follower.poll():
            print(render_line(line, colour=self._colour, width=self._width))
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
