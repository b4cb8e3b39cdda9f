"""A fleet that runs: start the supervisor, watch for processes that gave up, drain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from shoal.base.errors import ProcessError
from shoal.base.exits import CONFIG, FAILED
from shoal.cli.fleet.layout import FLEET_DIR, Fatal, Layout, Lock
from shoal.cli.fleet.plan import GROUPS, Program
from shoal.cli.fleet.supervisord import STOP_WAIT_S, render

__all__ = ["ALLOCATOR", "Fleet"]

ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}
"""glibc gives threads heaps of their own. Under Python's lock that is no use, and each keeps what is free."""


class Fleet:
    """The processes of one state dir, under a supervisor of their own.

    Args:
        layout: where its files are; the caller holds ``lock``.
        programs: what to run.
        env: environment of the processes; secrets in it are dropped by each after reading.
        lock: shared with the supervisor, so that it outlives this process if need be.
    """

    def __init__(
        self, layout: Layout, programs: Sequence[Program], env: Mapping[str, str], lock: Lock
    ) -> None:
        self.layout = layout
        self.programs = list(programs)
        self._env = {**ALLOCATOR, **env, FLEET_DIR: str(layout.state_dir), "SHOAL_LOG_FORMAT": "json"}
        self._lock = lock
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write the supervisor's file and start it, in a session of its own (Ctrl-C is ours to handle)."""
        self.layout.write_conf(render(self.layout, self.programs))
        with (self.layout.out / "supervisor.out").open("wb") as out:
            self._supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "shoal.cli.fleet.supervise"),
                    *(str(self.layout.conf), str(os.getpid())),
                ],
                cwd=self.layout.cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._lock.fd,),
            )

    def check(self) -> list[Fatal]:
        """Look at the fleet once.

        Returns:
            Gateways that gave up while the gateway of another account goes on.

        Raises:
            ProcessError: the fleet cannot go on. Its ``exit_code`` is the one to leave with.
        """
        fatals = self.layout.fatals()
        gateways = {program.name for program in self.programs if program.group == "gateway"}
        lost = {fatal.process for fatal in fatals}
        if fatals and (gateways <= lost or not lost <= gateways):
            said = "\n".join(dict.fromkeys(fatal.message for fatal in fatals))
            raise ProcessError(said, exit_code=CONFIG)
        if self._supervisor is not None and self._supervisor.poll() is not None:
            raise ProcessError(
                f"The supervisor process ended ({_how(self._supervisor.returncode)}) and took every process "
                "of the fleet with it. Nothing is lost: all work is in Redis.",
                fix=f"Start again. What it said last: {self._last_words()}",
                exit_code=FAILED,
            )
        return fatals

    def stop(self) -> bool:
        """Drain: the gateway leaves first, then the workers give their work back, then Redis.

        Returns:
            True if all left by themselves; False if time ran out and the rest was killed.
        """
        if self._supervisor is None or self._supervisor.poll() is not None:
            return True
        self._supervisor.send_signal(signal.SIGTERM)
        try:
            self._supervisor.wait(timeout=len(GROUPS) * (STOP_WAIT_S + 2))
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """End everything at once; each process dies with its supervisor. The work stays in Redis."""
        if self._supervisor is not None:
            self._supervisor.kill()
            self._supervisor.wait()

    def _last_words(self) -> str:
        lines: list[str] = []
        for name in ("supervisor.out", "supervisor.log"):
            path = self.layout.out / name
            if path.exists():
                lines.extend(path.read_text(errors="replace").splitlines()[-3:])
        return " / ".join(lines) or "nothing"


def _how(returncode: int) -> str:
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"
