"""``shoal up``: the whole fleet in the foreground of one terminal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from shoal.base.errors import ShoalError
from shoal.base.process import hide_memory
from shoal.cli.exits import FAILED
from shoal.cli.fleet.layout import Fatal, Layout, Lock
from shoal.cli.fleet.plan import WORKERS, Program, plan
from shoal.cli.fleet.prepare import check_accounts, check_port, check_redis
from shoal.cli.fleet.running import Fleet
from shoal.cli.fleet.view import Follower, render_line

__all__ = ["run_up"]

POLL_S = 0.2


def run_up(
    *, workers: int | None, flower: bool, force: bool, config: Path | None, state_dir: Path | None
) -> int:
    """Start everything, show the merged log until a signal, drain. Returns the exit code.

    Raises:
        ShoalError: the fleet cannot start or cannot go on.
    """
    hide_memory()
    import config as configuration

    loaded = configuration.load(config, state_dir=state_dir)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    accounts = check_accounts(loaded)
    layout = Layout(loaded.state_dir)
    lock = Lock(loaded.state_dir)
    lock.acquire()
    embedded = check_redis(loaded)
    page = loaded.root.fleet.flower
    flower = flower and page.enabled
    if flower:
        check_port("Flower", "127.0.0.1", page.port, "fleet.flower.port, or leave it out with --no-flower")
    layout.prepare()
    env = {**loaded.env, "SHOAL_STATE_DIR": str(loaded.state_dir)}
    env["SHOAL_CONFIG_PATH"] = str(loaded.path or loaded.paths.config)
    counts = {kind: getattr(loaded.root.fleet.workers, kind).processes for kind in WORKERS}
    if workers is not None:
        counts["turns"] = workers
    programs = plan(accounts, workers=counts, embedded_redis=embedded, flower=flower, force=force)
    return _Foreground(Fleet(layout, programs, env, lock), programs).run()


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
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
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
