"""Running the real command in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from shoal.cli.fleet.layout import Layout, Lock
from shoal.cli.fleet.plan import Program
from shoal.cli.fleet.running import Fleet

T = TypeVar("T")

SHOAL = [sys.executable, "-P", "-m", "shoal.cli"]


def bare_env(home: Path, **extra: str) -> dict[str, str]:
    """An environment in which nothing of this machine's own bot, proxy or Redis is visible."""
    foreign = ("DISCORD_", "SHOAL_", "OPENCLAW_", "REDIS_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }
    return {**kept, "HOME": str(home), "NO_COLOR": "1", **extra}


class Shoal:
    """Calls ``shoal …`` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state_dir = home / ".shoal"
        self._running: list[subprocess.Popen[str]] = []

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return subprocess.run(
            [*SHOAL, *args],
            env=bare_env(self.home, **(env or {})),
            cwd=self.home,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """One command that goes on; ended after the test."""
        process = subprocess.Popen(
            [*SHOAL, *args],
            env=bare_env(self.home, **(env or {})),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        self._running.append(process)
        return process

    def close(self) -> None:
        """Kill what still runs; a fleet dies with its ``shoal up``'s supervisor."""
        for process in self._running:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def wait_for(look: Callable[[], T | None], what: str, seconds: float = 15.0) -> T:
    """Ask ``look`` until it returns something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {what} within {seconds:g} s")


PROBE = """
import os, signal, sys, time
from shoal.cli.prologue import tie
tie()
def leave(*_):
    print("leaving", time.monotonic(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up", os.getpid(), os.getcwd(), flush=True)
while True:
    time.sleep(60)
"""


class Probes:
    """A real supervisor whose programs are small scripts that report what happens to them."""

    def __init__(self, state_dir: Path) -> None:
        self.layout = Layout(state_dir)
        self.lock = Lock(state_dir)
        self.lock.acquire()
        self.layout.prepare()
        self.fleet: Fleet | None = None

    def start(self, *programs: tuple[str, str] | tuple[str, str, str]) -> Fleet:
        """Start (name, group[, code]) programs; without code the ordinary probe."""
        plan = []
        for name, group, *code in programs:
            script = self.layout.state_dir / f"{name}.py"
            script.write_text(code[0] if code else PROBE)
            plan.append(Program(name, (str(script),), group))
        self.fleet = Fleet(self.layout, plan, bare_env(self.layout.state_dir), self.lock)
        self.fleet.start()
        return self.fleet

    def lines(self, name: str) -> list[str]:
        """What a program has printed, all its lives."""
        path = self.layout.out / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self, name: str) -> list[int]:
        """Pids of all lives of a program, oldest first."""
        return [int(line.split()[1]) for line in self.lines(name) if line.startswith("up ")]

    def wait_up(self, name: str, lives: int = 1) -> int:
        """Pid of the ``lives``-th life."""
        return wait_for(lambda: self.pids(name)[lives - 1 : lives], f"life {lives} of {name}")[0]

    def close(self) -> None:
        """End everything."""
        if self.fleet is not None:
            self.fleet.kill()
        self.lock.release()
