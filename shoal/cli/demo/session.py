"""One demo: start the simulator and the fleet, talk, clean up."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.base.errors import ProcessError
from shoal.base.exits import FAILED, UNAVAILABLE, USAGE
from shoal.base.process import hide_memory
from shoal.cli.demo.chat import Chat
from shoal.cli.fleet.layout import Layout, Lock
from shoal.cli.fleet.plan import plan
from shoal.cli.fleet.running import Fleet
from shoal.cli.fleet.view import Follower, render_line

if TYPE_CHECKING:
    from shoal.simulator.control import Control

__all__ = ["demo_config", "demo_env", "run_demo"]

START_S = 90.0
"""Longest wait for the bot to come online; a cold machine compiles every module once."""
_FOREIGN = ("DISCORD_", "SHOAL_", "OPENCLAW_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "redis_url")


def demo_env(env: Mapping[str, str], *, state_dir: Path, api_url: str, token: str) -> dict[str, str]:
    """The environment of the demo's fleet: nothing of your own bot, proxy or Redis gets in."""
    kept = {
        name: value
        for name, value in env.items()
        if not name.startswith(_FOREIGN) and name.lower() not in _PROXIES
    }
    own = {"SHOAL_STATE_DIR": str(state_dir), "SHOAL_DISCORD_API_URL": api_url, "DISCORD_BOT_TOKEN": token}
    return {**kept, **own}


def demo_config(state: Mapping[str, Any], person: str, *, flower_port: int) -> dict[str, Any]:
    """A config that lets the one person of the simulated Discord talk to the bot, anywhere."""
    guilds = {str(guild["id"]): {"users": [person], "requireMention": True} for guild in state["guilds"]}
    discord = {"dmPolicy": "allowlist", "allowFrom": [person], "groupPolicy": "allowlist", "guilds": guilds}
    return {"channels": {"discord": discord}, "fleet": {"flower": {"port": flower_port}}}


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_demo(
    text: str | None, *, workers: int, timeout_s: float, verbose: bool, state_dir: Path | None
) -> int:
    """Run a demo; with ``text`` say only that. Returns 0 if everything said was answered.

    Raises:
        ProcessError: it could not be started, or what was to be said is empty.
    """
    hide_memory()
    if text is not None and not text.strip():
        raise ProcessError("There is nothing to say.", fix="Try: echo hello | shoal demo", exit_code=USAGE)
    with ExitStack() as stack:
        folder = state_dir.absolute() if state_dir else Path(tempfile.mkdtemp(prefix="shoal-demo-"))
        if state_dir is None:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        demo = _Demo(folder, workers=workers, verbose=verbose)
        stack.callback(demo.stop)
        demo.start()
        chat = Chat(demo.control, demo.person, folder, alive=demo.alive, timeout_s=timeout_s)
        stack.callback(chat.close)
        return _once(chat, text) if text is not None else _talk(chat, demo)


def _once(chat: Chat, text: str) -> int:
    answer = chat.say(text.strip())
    for part in answer.texts:
        print(part, flush=True)
    if not answer.answered:
        print(f"error: not answered: {answer.reason}", file=sys.stderr)
    return 0 if answer.answered else FAILED


def _talk(chat: Chat, demo: _Demo) -> int:
    print(f"You are {demo.person_name}, writing to your bot in private. Ctrl-D or /quit ends it.")
    print(
        f"Monitoring: http://127.0.0.1:{demo.flower_port} (user shoal, password in {demo.flower_password})\n"
    )
    failed = False
    while True:
        try:
            text = input("you> ").strip()
        except EOFError:
            print()
            return FAILED if failed else 0
        if text in ("/quit", "/exit"):
            return FAILED if failed else 0
        if not text:
            continue
        answer = chat.say(text)
        for part in answer.texts:
            print(f"bot> {part}")
        if not answer.answered:
            failed = True
            print(f"     (not answered: {answer.reason})")


class _Demo:
    """Simulator and fleet of one demo."""

    def __init__(self, folder: Path, *, workers: int, verbose: bool) -> None:
        self._folder = folder
        self._workers = workers
        self._verbose = verbose
        self._stack = ExitStack()
        self._fleet: Fleet | None = None
        self.flower_port = _free_port()
        self.flower_password = folder / "flower.password"

    def start(self) -> None:
        """Bring everything up; returns when the bot is online."""
        from shoal.simulator.server import Simulator

        self._note("Starting a Discord of your own and the whole fleet ...")
        lock = Lock(self._folder)
        lock.acquire()
        self._stack.callback(lock.release)
        simulator = Simulator(port=0, log=self._folder / "simulator.jsonl")
        simulator.start()
        self._stack.callback(simulator.stop)
        self.control: Control = simulator.control
        state = self.control.state()
        human = next(user for user in state["users"] if user["id"] == simulator.user_id)
        self.person = simulator.user_id
        self.person_name = str(human.get("global_name") or human["username"])
        config = self._folder / "shoal.json"
        config.write_text(json.dumps(demo_config(state, self.person, flower_port=self.flower_port), indent=2))
        env = demo_env(os.environ, state_dir=self._folder, api_url=simulator.api_url, token=simulator.token)
        layout = Layout(self._folder)
        layout.prepare()
        programs = plan(["default"], workers={"turns": self._workers})
        self._fleet = Fleet(layout, programs, env, lock)
        self._fleet.start()
        self._stack.callback(self._fleet.stop)
        if self._verbose:
            self._follow(layout.out, max(len(program.name) for program in programs))
        self._wait_until_online(simulator.bot_id)
        self._note("Ready.")

    def alive(self) -> None:
        """Raise ProcessError if the fleet has given up."""
        if self._fleet is not None:
            self._fleet.check()

    def stop(self) -> None:
        """Drain the fleet, stop the simulator."""
        self._stack.close()

    def _wait_until_online(self, bot: str) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.alive()
            if any(session["connected"] and session["bot"] == bot for session in self.control.sessions()):
                return
            time.sleep(0.1)
        raise ProcessError(
            f"The bot did not come online within {START_S:g} s.",
            fix="Run `shoal demo --verbose` to see what each process says.",
            exit_code=UNAVAILABLE,
        )

    def _follow(self, folder: Path, width: int) -> None:
        follower = Follower(folder)
        ended = threading.Event()

        def show(done: Callable[[float], bool] = ended.wait) -> None:
            while not done(0.2):
                for line in follower.poll():
                    print(render_line(line, colour=sys.stderr.isatty(), width=width), file=sys.stderr)

        thread = threading.Thread(target=show, name="log view", daemon=True)
        thread.start()
        self._stack.callback(ended.set)

    def _note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
