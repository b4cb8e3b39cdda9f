"""Reading the logs of a fleet's simulator, and the processes of a fleet, from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import requests

from bench.fleet import FleetUnderTest, command_line, descendants

__all__ = ["LogTail", "Speaker", "cpu_seconds", "pss_mb", "settle", "wait_workers"]

Line = dict[str, Any]


class LogTail:
    """Follows a JSON-lines log from its end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.skip()

    def skip(self) -> None:
        """Forget what is written so far."""
        self._file.seek(0, 2)

    def until(self, done: Callable[[Line], bool], timeout: float = 30.0) -> list[Line]:
        """The lines up to and with the first one that is ``done``.

        Raises:
            TimeoutError: no such line came.
        """
        seen: list[Line] = []
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            raw = self._file.readline()
            if not raw.endswith(b"\n"):
                self._file.seek(-len(raw), 1)
                time.sleep(0.001)
                continue
            line = orjson.loads(raw)
            seen.append(line)
            if done(line):
                return seen
        raise TimeoutError(f"{len(seen)} lines, none of them the awaited one, within {timeout:g} s")


class Speaker:
    """Says things in the simulated Discord over one kept connection, so that saying costs little."""

    def __init__(self, fleet: FleetUnderTest, channels: int, prefix: str) -> None:
        self._fleet = fleet
        self._session = requests.Session()
        self._session.trust_env = False
        guild = str(fleet.guild["id"])
        self.channels = [
            str(fleet.control.add_channel(guild, f"{prefix}-{number}")["id"]) for number in range(channels)
        ]
        self.mention = f"<@{fleet.bot['id']}>"

    def say(self, channel: str, text: str) -> str:
        """Mention the bot; the message's id."""
        answer = self._session.post(
            f"{self._fleet.simulator.url}/control/channels/{channel}/messages",
            json={"content": f"{self.mention} {text}"},
            timeout=20,
        )
        answer.raise_for_status()
        return str(answer.json()["id"])


def wait_workers(fleet: FleetUnderTest, count: int, timeout: float = 90.0) -> None:
    """Until ``count`` Celery workers consume and everything has settled."""
    log = fleet.state_dir / "logs" / "shoal.log"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if log.exists() and log.read_text(errors="replace").count(" ready. ") >= count:
            settle(fleet)
            return
        time.sleep(0.2)
    raise TimeoutError(f"the workers did not get ready:\n{fleet.said()}")


def settle(fleet: FleetUnderTest, timeout: float = 20.0) -> None:
    """Until the fleet computes next to nothing: start-up work is over."""
    deadline = time.monotonic() + timeout
    before = sum(cpu_seconds(fleet).values())
    while time.monotonic() < deadline:
        time.sleep(1.0)
        now = sum(cpu_seconds(fleet).values())
        if now - before < 0.15:
            return
        before = now


def processes(fleet: FleetUnderTest) -> list[int]:
    """Every process of a fleet."""
    assert fleet.process is not None
    return [fleet.process.pid, *descendants(fleet.process.pid)]


def cpu_seconds(fleet: FleetUnderTest, *words: str) -> dict[int, float]:
    """CPU seconds of the processes whose command line holds all of ``words``."""
    found = {}
    for pid in processes(fleet):
        if not all(word in command_line(pid) for word in words):
            continue
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found[pid] = (int(fields[11]) + int(fields[12])) / 100
    return found


def pss_mb(pid: int) -> float:
    """Memory of a process in MB, shared pages counted by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no Pss of {pid}")
