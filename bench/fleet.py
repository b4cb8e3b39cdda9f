"""A whole fleet for tests and benchmarks: simulator, model server, ``shoal up`` with every process real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from shoal.simulator.control import Control
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator

__all__ = ["FleetUnderTest", "command_line", "descendants", "free_port", "merged"]

START_S = 90.0


class FleetUnderTest:
    """One fleet with its own Discord and model; everything a test may see or hurt."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any] | None = None,
        *,
        workers: int = 1,
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
        redis_url: str | None = None,
    ) -> None:
        """See the class.

        Args:
            folder: logs and the state dir go here.
            config: laid over :meth:`config`.
            workers: turn workers; 0 leaves their number to the config.
            settings: of the simulator.
            seed: of the simulator's random faults.
            redis_url: a server of the caller's instead of the embedded one.
        """
        self.folder = folder
        self._settings, self._seed, self._redis_url = settings, seed, redis_url
        self.state_dir = folder / "state"
        self.simulator_log = folder / "simulator.jsonl"
        self._extra = config or {}
        self._workers = workers
        self._stack = ExitStack()
        self.process: subprocess.Popen[bytes] | None = None
        self.configure: Callable[[FleetUnderTest], dict[str, Any]] | None = None
        """Called when the simulator runs and the fleet does not: prepares both, returns more config."""

    def start(self) -> None:
        """Bring everything up; returns when the bot is online."""
        simulator = Simulator(port=0, log=self.simulator_log, settings=self._settings, seed=self._seed)
        simulator.start()
        self._stack.callback(simulator.stop)
        self.models = ModelServer(port=0, log=self.folder / "models.jsonl")
        self.models.start()
        self._stack.callback(self.models.stop)
        self.simulator = simulator
        self.control = Control(simulator.url)
        state = self.control.state()
        self.bot = state["bots"][0]
        self.person = next(user for user in state["users"] if not user.get("bot"))
        self.guild = state["guilds"][0]
        if self.configure is not None:
            self._extra = merged(self._extra, self.configure(self))
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.config_path = self.state_dir / "shoal.json"
        self.config_path.write_text(json.dumps(self.config(), indent=2))
        self.up()
        self._stack.callback(self.down)
        self.wait_online()

    def config(self) -> dict[str, Any]:
        """An allow-listed person, a guild, and a model behind the local model server."""
        person = str(self.person["id"])
        base: dict[str, Any] = {
            "channels": {
                "discord": {
                    "dmPolicy": "allowlist",
                    "allowFrom": [person],
                    "groupPolicy": "allowlist",
                    "guilds": {str(self.guild["id"]): {"users": [person], "requireMention": True}},
                }
            },
            "models": {
                "providers": {
                    "local": {
                        "baseUrl": f"{self.models.base_url}",
                        "apiKey": "test-key-of-no-value",
                        "api": "openai-completions",
                        "models": [{"id": "first", "name": "First"}, {"id": "second", "name": "Second"}],
                    }
                }
            },
            "agents": {"defaults": {"model": {"primary": "local/first", "fallbacks": ["local/second"]}}},
            "fleet": {"flower": {"port": free_port()}},
        }
        return merged(base, self._extra)

    @property
    def env(self) -> dict[str, str]:
        """Environment of the fleet: nothing of the machine's own proxies or tokens."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy")
            and not name.startswith(("SHOAL_", "DISCORD_", "OPENCLAW_"))
        }
        own = {"SHOAL_REDIS_URL": self._redis_url} if self._redis_url else {}
        return {
            **kept,
            **own,
            "SHOAL_STATE_DIR": str(self.state_dir),
            "SHOAL_DISCORD_API_URL": f"{self.simulator.url}/api/v10",
            "SHOAL_PLURALKIT_API_URL": f"{self.simulator.url}/pluralkit/v2",
            "DISCORD_BOT_TOKEN": self.bot["token"],
        }

    def up(self) -> None:
        """Start ``shoal up`` (again)."""
        self.out = (self.folder / "up.out").open("ab")
        counted = ["--workers", str(self._workers)] if self._workers else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shoal.cli", "up", *counted],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
        )

    def down(self) -> int | None:
        """Ctrl-C and wait; returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    def stop(self) -> None:
        """End everything."""
        self._stack.close()
        self.out.close()

    def wait_online(self, timeout: float = START_S) -> None:
        """Wait for a connected gateway session."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"shoal up ended:\n{self.said()}")
            if any(session["connected"] for session in self.control.sessions()):
                return
            time.sleep(0.1)
        raise AssertionError(f"the bot did not come online:\n{self.said()}")

    def said(self) -> str:
        """What the fleet printed, the last part of it."""
        text = (self.folder / "up.out").read_text(errors="replace")
        log = self.state_dir / "logs" / "shoal.log"
        return text[-6000:] + (
            "\n--- log\n" + log.read_text(errors="replace")[-8000:] if log.exists() else ""
        )

    def pids(self, *words: str) -> list[int]:
        """Processes of this fleet whose command line holds all of ``words``."""
        assert self.process is not None
        found = []
        for pid in descendants(self.process.pid):
            line = command_line(pid)
            if all(word in line for word in words):
                found.append(pid)
        return found

    def shoal(self, *args: str, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a ``shoal`` command against this fleet."""
        return subprocess.run(
            [sys.executable, "-m", "shoal.cli", *args],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.folder,
            check=False,
        )

    def bot_messages(self, channel: str, after: str) -> list[dict[str, Any]]:
        """What the bot wrote in a channel after a message."""
        return self.control.messages(channel, after=after, author="bot")


def merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """``extra`` over ``base``, objects key by key."""
    result = dict(base)
    for key, value in extra.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def free_port() -> int:
    """A port nobody listens on now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """All processes below ``pid``."""
    found: list[int] = []
    todo = [pid]
    while todo:
        parent = todo.pop()
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
            children = [int(c) for t in threads for c in (t / "children").read_text().split()]
        except OSError:
            continue
        found.extend(children)
        todo.extend(children)
    return found


def command_line(pid: int) -> str:
    """Command line of a process, or nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
