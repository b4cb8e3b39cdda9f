"""The demo from outside: the whole fleet, chatted with in a terminal and through a pipe."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from bench.openapi import the_judge
from tests.cli.helpers import SHOAL, Shoal, bare_env

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_pipe_gets_the_answer_and_nothing_else(shoal: Shoal) -> None:
    made = Path(tempfile.mkdtemp(prefix="demo-"))  # a short path: sockets are made below it
    done = shoal.run("demo", stdin="hello from a pipe\n", timeout=200, env={"TMPDIR": str(made)})
    assert done.returncode == 0, done.stderr
    assert "hello from a pipe" in done.stdout, "the guide repeats what it was told"
    assert done.stdout.strip().startswith("I am Shoal's built-in guide")
    assert done.stderr.splitlines()[-1] == "Ready.", done.stderr
    made.rmdir()  # raises when a file of the demo is still there


def test_an_answer_that_does_not_come_is_a_failure(shoal: Shoal) -> None:
    """One second is not enough for workers that have just been started."""
    done = shoal.run("demo", "--say", "hello", "--timeout", "1", timeout=200)
    if done.returncode == 0:
        assert "hello" in done.stdout  # a very quick machine; then the answer must be there
        return
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: not answered: nothing came within 1 s" in done.stderr


def test_nothing_to_say(shoal: Shoal) -> None:
    done = shoal.run("demo", stdin=" \n")
    assert done.returncode == 2
    assert "nothing to say" in done.stderr


class Terminal:
    """A person at ``shoal demo``."""

    def __init__(self, home: Path, state_dir: Path) -> None:
        self._master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [*SHOAL, "demo", "--state-dir", str(state_dir)],
            env=bare_env(home, TERM="dumb"),
            cwd=home,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def expect(self, wanted: str, seconds: float = 120) -> None:
        """Read until ``wanted`` has come; what came before it is forgotten."""
        deadline = time.monotonic() + seconds
        while wanted not in self.text:
            ready, _, _ = select.select([self._master], [], [], 0.2)
            if ready:
                try:
                    self.text += os.read(self._master, 65536).decode(errors="replace")
                except OSError:
                    break  # the terminal is closed
            assert time.monotonic() < deadline, f"no {wanted!r} in {self.text!r}"
        assert wanted in self.text, self.text
        self.text = self.text.split(wanted, 1)[1]

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def close(self) -> None:
        """Hang up."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


def test_a_chat_in_the_terminal(shoal: Shoal, tmp_path: Path) -> None:
    state_dir = tmp_path / "demo"
    terminal = Terminal(tmp_path, state_dir)
    try:
        terminal.expect("Ready.")
        terminal.expect("you> ")
        terminal.type("good morning\n")
        terminal.expect("bot> ")
        terminal.expect("good morning")
        terminal.expect("you> ")
        terminal.type("help\n")
        terminal.expect("bot> ")
        terminal.expect("you> ")

        look_around(shoal, state_dir)

        terminal.type("/quit\n")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()
    assert "fleet.lock" in {path.name for path in state_dir.iterdir()}, "a folder of your own is kept"


def look_around(shoal: Shoal, state_dir: Path) -> None:
    """``status``, ``explain`` and ``dead`` on the fleet of the demo."""
    place = ("--state-dir", str(state_dir))
    report = json.loads(shoal.run("status", "--json", *place).stdout)
    kinds = {process["kind"] for process in report["processes"]}
    assert {"gateway", "front", "turns", "back", "chores"} <= kinds
    assert report["dead"]["count"] == 0
    assert report["redis"]["embedded"] is True
    assert report["redis"]["appendfsync"] == "always"
    assert shoal.run("status", "--here", *place).returncode == 0
    people = shoal.run("status", *place).stdout
    assert "Redis " in people
    assert "turns" in people

    log = (state_dir / "simulator.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in log]
    said = [
        event["data"]["id"]
        for event in events
        if event.get("event") == "MESSAGE_CREATE" and event["data"]["content"] == "good morning"
    ]
    assert said
    discord = the_judge()
    assert discord is not None
    asked = [event for event in events if event["kind"] == "request"]
    assert asked
    assert [problem for line in asked for problem in discord.problems(line)] == []
    done = shoal.run("explain", "--json", said[0], *place)
    story = json.loads(done.stdout)
    assert (done.returncode, story["known"], story["outcome"]) == (0, True, "answered")
    assert (
        "answered"
        in shoal.run("explain", f"https://discord.com/channels/@me/1234567/{said[0]}", *place).stdout
    )

    unknown = shoal.run("explain", "112233445566778899", *place)
    assert unknown.returncode == 1
    assert "nothing is known" in unknown.stdout

    assert shoal.run("dead", "list", *place).stdout == "Nothing is dead.\n"
    assert json.loads(shoal.run("dead", "list", "--json", *place).stdout) == []
    assert "no dead record" in shoal.run("dead", "retry", "x1", *place).stderr

    second = shoal.run("demo", "--say", "hi", *place)
    assert second.returncode == 75
