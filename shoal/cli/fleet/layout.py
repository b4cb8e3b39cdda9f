"""The files of a running fleet, all below ``<state dir>/fleet`` (0700), and the lock beside it.

What is where::

    fleet.lock              held as long as the fleet or its supervisor lives; says who
    fleet/supervisord.conf  0600, made anew by each start, holds no secret
    fleet/out/<name>.log    what a process wrote to stdout and stderr
    fleet/fatal/<name>.json why a process gave up for good (exit code 78)
    fleet/starts/<name>     when a process was started, to slow a crash loop down
    run/                    empty; every process works there, nothing can be imported by accident (R31)
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from shoal.base.errors import ProcessError
from shoal.base.exits import BUSY

__all__ = ["FLEET_DIR", "PROCESS_NAME", "SUPERVISOR_PID", "Fatal", "Layout", "Lock", "private_dir"]

FLEET_DIR = "SHOAL_FLEET_DIR"
"""Environment name under which a supervised process finds the fleet folder."""
PROCESS_NAME = "SHOAL_PROCESS_NAME"
"""Environment name of a supervised process's own name, such as ``turns.2``."""
SUPERVISOR_PID = "SHOAL_SUPERVISOR_PID"
"""Environment name of the pid that a supervised process must die with."""


def private_dir(path: Path) -> Path:
    """Make a folder that only its owner can enter; one that exists is tightened.

    Raises:
        ProcessError: it cannot be made or belongs to somebody else.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise ProcessError(
            f"The folder {path} cannot be used: {error.strerror}.",
            fix="Make it writable for this user, or choose another with --state-dir.",
        ) from error
    return path


@dataclass(frozen=True, slots=True)
class Fatal:
    """Why a process gave up: its name and the sentence for people."""

    process: str
    message: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one fleet."""

    state_dir: Path

    @property
    def root(self) -> Path:
        """Folder of everything below."""
        return self.state_dir / "fleet"

    @property
    def conf(self) -> Path:
        """What the supervisor reads."""
        return self.root / "supervisord.conf"

    @property
    def out(self) -> Path:
        """One log file per process."""
        return self.root / "out"

    @property
    def cwd(self) -> Path:
        """The empty folder that processes work in."""
        return self.state_dir / "run"

    def prepare(self) -> None:
        """Make the folders, empty what an earlier fleet left there."""
        private_dir(self.state_dir)
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in (self.root, self.out, self.root / "fatal", self.root / "starts", self.cwd):
            private_dir(folder)

    def write_conf(self, text: str) -> None:
        """Write the supervisor's file, readable for the owner only."""
        descriptor = os.open(self.conf, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    def write_fatal(self, process: str, message: str) -> None:
        """Leave word why this process must not be started again."""
        target = self.root / "fatal" / f"{process}.json"
        draft = target.with_suffix(".new")
        draft.write_text(json.dumps({"process": process, "message": message}))
        draft.replace(target)

    def fatals(self) -> list[Fatal]:
        """Every process that gave up so far."""
        found = []
        for path in sorted((self.root / "fatal").glob("*.json")):
            word = json.loads(path.read_text())
            found.append(Fatal(process=word["process"], message=word["message"]))
        return found

    def note_start(self, process: str, *, window_s: float = 60.0) -> int:
        """Remember that a process starts now; returns its starts within the last ``window_s`` seconds."""
        path = self.root / "starts" / process
        now = time.time()
        try:
            earlier = [float(word) for word in path.read_text().split()]
        except (FileNotFoundError, ValueError):  # none yet, or cut off by a kill: count from here
            earlier = []
        recent = [moment for moment in earlier if 0 <= now - moment < window_s]
        path.write_text(" ".join(f"{moment:.3f}" for moment in [*recent, now]))
        return len(recent) + 1


class Lock:
    """One fleet per state dir. The lock is the kernel's and ends with its last holder.

    The supervisor inherits the descriptor: should ``shoal up`` be killed, the state dir
    stays locked until the supervisor has drained the rest.
    """

    def __init__(self, state_dir: Path, *, fd: int | None = None) -> None:
        private_dir(state_dir)
        self._path = state_dir / "fleet.lock"
        self.fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600) if fd is None else fd

    @classmethod
    def inherited(cls, state_dir: Path, fd: int) -> Lock:
        """The lock that this process held before it replaced itself; ``fd`` stays out of other programs."""
        os.set_inheritable(fd, False)
        return cls(state_dir, fd=fd)

    def acquire(self) -> None:
        """Take the lock, write down who has it.

        Raises:
            ProcessError: another fleet has it (exit code 75); the message names its pid.
        """
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._path.read_text().strip() or "unknown"
            os.close(self.fd)
            raise ProcessError(
                f"A fleet already runs on {self._path.parent} (pid {holder}).",
                fix=f"Stop it with Ctrl-C in its terminal or `kill {holder}`, "
                "or give this one a --state-dir of its own.",
                exit_code=BUSY,
            ) from None
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of this process's share of the lock."""
        os.close(self.fd)
