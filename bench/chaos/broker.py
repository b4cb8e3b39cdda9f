"""The Redis of a chaos run: killed and started again, behind a relay, on a disk that may be slow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.fleet import free_port
from shoal.state.embedded import EmbeddedServer

__all__ = ["Broker"]

SHIM = Path(__file__).with_name("worse_host.c")


class Broker:
    """The embedded server (``appendfsync always``), run by the driver so that it can be hurt.

    Attributes:
        url: what the fleet is given; it leads through the relay.
        slow_disk: whether fsync can be slowed down, and the clock be moved; needs a C compiler.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._port, self._relay_port = free_port(), free_port()
        self._server = EmbeddedServer(folder / "state", port=self._port)
        self._slow = folder / "slow_fsync"
        self._clock = folder / "clock"
        self._seed = seed
        self._relay: subprocess.Popen[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._shim = _compile(folder)
        self.slow_disk = self._shim is not None

    @property
    def url(self) -> str:
        """Through the relay."""
        return self._server.tcp_url().replace(f":{self._port}/", f":{self._relay_port}/")

    @property
    def direct_url(self) -> str:
        """Past the relay, for who only watches."""
        return self._server.tcp_url()

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start server and relay."""
        self.restart()
        self._relay = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.chaos.relay",
                str(self._relay_port),
                str(self._port),
                str(self._seed),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def restart(self) -> None:
        """Start the server (again) and wait until it answers."""
        env = dict(os.environ)
        if self._shim is not None:
            env |= {
                "LD_PRELOAD": str(self._shim),
                "SLOW_FSYNC_FILE": str(self._slow),
                "CLOCK_FILE": str(self._clock),
            }
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "redis.out").open("ab") as out:
            command = self._server.command()
            self._process = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
        deadline = time.monotonic() + 20
        while not self._server._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start; see {self._folder / 'redis.out'}")
            time.sleep(0.05)

    def kill(self) -> None:
        """``kill -9``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def drag(self, ms: int) -> None:
        """Let each fsync take ``ms`` longer; 0 ends it."""
        if ms:
            self._slow.write_text(str(ms))
        else:
            self._slow.unlink(missing_ok=True)

    def step_clock(self, seconds: int) -> None:
        """Let the server's clock be so far ahead; 0 is the clock of everybody else."""
        draft = self._clock.with_suffix(".new")
        draft.write_text(str(seconds))
        draft.replace(self._clock)

    def relay(self, command: str, count: int) -> dict[str, Any]:
        """``halfopen`` or ``cut`` some connections; says how many of how many."""
        assert self._relay is not None
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.stdin.write(f"{command} {count}\n")
        self._relay.stdin.flush()
        answer: dict[str, Any] = json.loads(self._relay.stdout.readline())
        return answer

    def stop(self) -> None:
        """End both."""
        self.drag(0)
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._relay is not None and self._relay.stdin is not None:
            self._relay.stdin.close()
            self._relay.wait(10)
            if self._relay.stdout is not None:
                self._relay.stdout.close()


def _compile(folder: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "worse_host.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(SHIM), "-ldl"],
        capture_output=True,
        check=False,
    )
    return target if done.returncode == 0 else None
