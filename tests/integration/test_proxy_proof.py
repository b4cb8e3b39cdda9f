"""With a proxy, every byte goes through it or does not go at all (promise 6).

The simulator takes connections from the proxy's address only, and remembers every other. The proxy
resolves, connects and leaves from there; each process has the egress guard, whose log must stay empty.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from config.proxy import ENVIRONMENT_ORDER
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from tests.discord.support.net import AUTHORITY, PROXY_ADDRESS, free_port
from tests.discord.support.proxies import ProxyServer
from tests.integration import proxy_probe

pytestmark = pytest.mark.slow

CONTROL_ADDRESS = "127.0.0.9"
NOWHERE = "http://127.0.0.4:9"
"""Where settings that must not count point to."""
USER, PASSWORD = "us@er", "p:w/1 ö%41"
ENCODED = ("us%40er", "p%3Aw%2F1%20%C3%B6%2541")
SCHEMES = ("http", "https", "socks", "socks5", "socks5h")
PLACES = ("account", "root", "environment")
LEGS = ("rest", "upload", "download", "signed upload", "gateway", "model")
MISLEADING = {**dict.fromkeys(ENVIRONMENT_ORDER, NOWHERE), "NO_PROXY": "*", "no_proxy": "*,127.0.0.1"}


@pytest.fixture
def world() -> Iterator[World]:
    """A simulator that only the proxies reach, a model server, and proxies."""
    with ExitStack() as stack:
        yield World(stack)


class World:
    """What surrounds the processes of one test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.simulator = Simulator(
            only_from=PROXY_ADDRESS, control_from=CONTROL_ADDRESS, settings={"rate_limits": False}
        ).start()
        stack.callback(self.simulator.stop)
        self.models = ModelServer(port=0)
        self.models.start()
        stack.callback(self.models.stop)

    def proxy(self, kind: str, **options: Any) -> ProxyServer:
        """Open a proxy."""
        server = ProxyServer(kind, **options)
        self._stack.callback(server.close)
        return server

    def sources(self) -> set[str]:
        """Where all connections to the simulator came from, the control client's aside."""
        log = self.simulator.core.log.kept
        return {line["source"] for line in log if "source" in line} - {CONTROL_ADDRESS}

    def refused(self) -> list[dict[str, Any]]:
        """Connections that came from elsewhere."""
        return self.simulator.core.log.select("refused")


class Jobs:
    """What the probe is asked to do."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.jobs: list[dict[str, Any]] = []

    def add(self, name: str, url: str, place: str, *, order: int = 0) -> None:
        """One set-up: the proxy's URL in ``place``, everything that ranks below it misleading."""
        discord: dict[str, Any] = {"accounts": {"work": {"token": self.world.simulator.token}}}
        discord |= {"proxyCaFile": str(AUTHORITY), "retry": {"attempts": 1}}
        if place == "account":
            discord["accounts"]["work"]["proxy"] = url
            discord["proxy"] = NOWHERE
        elif place == "root":
            discord["proxy"] = url
        env = dict(MISLEADING)
        if place == "environment":
            ranked = ENVIRONMENT_ORDER[order % len(ENVIRONMENT_ORDER) :]
            env = {**dict.fromkeys(ranked, NOWHERE), ranked[0]: url, "NO_PROXY": "example.org,127.0.0.2"}
        folder = self.folder / name.replace(" ", "-")
        folder.mkdir()
        config = folder / "shoal.json"
        models = {
            "local": {
                "baseUrl": self.world.models.base_url,
                "apiKey": "test-key-of-no-value",
                "request": {"proxy": url},
            }
        }
        config.write_text(json.dumps({"channels": {"discord": discord}, "models": {"providers": models}}))
        api = {"SHOAL_DISCORD_API_URL": self.world.simulator.api_url, "HOME": str(folder)}
        self.jobs.append(
            {
                "name": name,
                "config": str(config),
                "state_dir": str(folder / "state"),
                "env": {**env, **api},
                "account": "work",
                "channel": self.world.simulator.channel_id,
            }
        )

    def run(self) -> dict[str, dict[str, Any]]:
        """Ask the probe; answers by name."""
        done = subprocess.run(
            [sys.executable, "-P", proxy_probe.__file__],
            input=json.dumps(self.jobs),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        answers: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return answers

    def refusals_on_file(self) -> list[str]:
        """What the guards wrote, of all jobs."""
        files = self.folder.glob("*/state/logs/egress.jsonl")
        return [line for path in files for line in path.read_text().splitlines()]


def url_of(server: ProxyServer, scheme: str, auth: bool) -> str:
    """URL of a proxy under one of the five schemes."""
    who = f"{ENCODED[0]}:{ENCODED[1]}@" if auth else ""
    return f"{scheme}://{who}{server.host}:{server.port}"


def test_every_leg_takes_the_proxy_whatever_its_kind_and_wherever_it_stands(
    world: World, tmp_path: Path
) -> None:
    jobs = Jobs(world, tmp_path)
    proxies: dict[tuple[str, bool], ProxyServer] = {}
    for order, (scheme, auth, place) in enumerate(itertools.product(SCHEMES, (False, True), PLACES)):
        options = {"user": USER, "password": PASSWORD} if auth else {}
        server = proxies.setdefault((scheme, auth), world.proxy(scheme, **options))
        jobs.add(f"{scheme} {auth} {place}", url_of(server, scheme, auth), place, order=order)
    answers = jobs.run()
    assert len(answers) == 30
    for name, told in answers.items():
        assert told == {**dict.fromkeys(LEGS, "ok"), "proxied": True, "guard": []}, name
    assert world.sources() == {PROXY_ADDRESS}
    assert world.refused() == []
    assert set(world.models.sources()) == {PROXY_ADDRESS}
    assert jobs.refusals_on_file() == []
    simulator = world.simulator.url.removeprefix("http://")
    for server in proxies.values():
        assert server.targets.count(simulator) >= 3 * 2  # REST and uploads share a connection; the socket not


FAILURES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "dead": ({}, "proxy-connect", "ECONNREFUSED", "Start the proxy"),
    "http 403": ({"refuse": 403}, "proxy-refused", "403", "Allow discord.com"),
    "http other": ({"user": "else", "password": "else"}, "proxy-auth", "407", "%40"),
    "https other": ({"user": "else", "password": "else"}, "proxy-auth", "407", "%40"),
    "socks5h 2": ({"refuse": 2}, "proxy-refused", "not allowed by", "Allow discord.com"),
    "socks5h other": ({"user": "else", "password": "else"}, "proxy-auth", "refused the user name", "%40"),
}


@pytest.mark.parametrize("place", ["account", "environment"])
def test_a_proxy_that_fails_fails_every_leg_and_says_what_to_do(
    world: World, tmp_path: Path, place: str
) -> None:
    jobs = Jobs(world, tmp_path)
    for name, (options, *_) in FAILURES.items():
        kind = name.split()[0] if name != "dead" else "http"
        server = world.proxy(kind, **options)
        if name == "dead":
            server.close()
        jobs.add(name, url_of(server, kind, auth=True), place)
    answers = jobs.run()
    for name, (_, leg, word, fix) in FAILURES.items():
        told = answers[name]
        assert told["guard"] == [], name
        for way in ("rest", "upload", "download", "gateway"):
            assert told[way] != "ok", (name, way)
            assert told[way]["leg"] == leg, (name, way, told[way])
            text = told[way]["text"]
            assert word in text, (name, way, text)
            assert fix in text, (name, way, text)
            assert ("work.proxy" if place == "account" else "HTTPS_PROXY") in text
            assert PASSWORD not in text
            assert ENCODED[1] not in text
        assert told["model"] != "ok", name
        assert word.split()[0] in told["model"]["text"], told["model"]
    assert world.sources() == set()
    assert world.refused() == []
    assert world.models.requests() == []
    assert jobs.refusals_on_file() == []


def test_what_no_proxy_exempts_goes_direct_and_the_guard_allows_just_that(
    world: World, tmp_path: Path
) -> None:
    """The counter-test: the simulator does see and refuse a connection that comes from elsewhere."""
    jobs = Jobs(world, tmp_path)
    jobs.add("exempt", f"http://{PROXY_ADDRESS}:{free_port()}", "environment")
    jobs.jobs[0]["env"]["NO_PROXY"] = "127.0.0.1"
    told = jobs.run()["exempt"]
    assert told["rest"] != "ok"
    assert told["proxied"] is False
    assert world.sources() == {"127.0.0.1"}
    assert world.refused() != []
