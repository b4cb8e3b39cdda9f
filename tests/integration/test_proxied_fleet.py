"""A whole fleet behind a proxy that dies, refuses, forgets its users, and comes back (promise 6)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from tests.discord.support.net import PROXY_ADDRESS
from tests.discord.support.proxies import ProxyServer
from tests.integration import proxy_probe

pytestmark = pytest.mark.slow

CONTROL_ADDRESS = "127.0.0.9"
NOWHERE = "http://127.0.0.4:9"
USER, PASSWORD = "worker", "p@ss-w0rd/of:proxies"
ENCODED = "p%40ss-w0rd%2Fof%3Aproxies"
PROCESSES = ("gateway", "front", "turns", "back", "chores", "beat", "flower")


class ProxiedFleet(FleetUnderTest):
    """A fleet whose Discord and model can be reached from the proxies' address only."""

    def __init__(self, folder: Path, kind: str, place: str) -> None:
        super().__init__(folder)
        self.proxy = ProxyServer(kind, user=USER, password=PASSWORD)
        self.model_proxy = ProxyServer("http")
        self._stack.callback(self.proxy.close)
        self._stack.callback(self.model_proxy.close)
        self.url = f"{kind}://{USER}:{ENCODED}@{self.proxy.host}:{self.proxy.port}"
        self.place = place

    def start(self) -> None:
        """Begin with a proxy that does not run."""
        self.simulator = Simulator(
            log=self.simulator_log, only_from=PROXY_ADDRESS, control_from=CONTROL_ADDRESS
        ).start()
        self._stack.callback(self.simulator.stop)
        self.models = ModelServer(log=self.folder / "models.jsonl")
        self.models.start()
        self._stack.callback(self.models.stop)
        self.control = self.simulator.control
        state = self.control.state()
        self.bot, self.guild = state["bots"][0], state["guilds"][0]
        self.person = next(user for user in state["users"] if not user.get("bot"))
        self._extra = {
            "models": {"providers": {"local": {"request": {"proxy": self.model_proxy.url()}}}},
            "channels": {"discord": self._discord()},
        }
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.config_path = self.state_dir / "shoal.json"
        self.config_path.write_text(json.dumps(self.config(), indent=2))
        self.proxy.close()
        self.up()
        self._stack.callback(self.down)

    def _discord(self) -> dict[str, Any]:
        if self.place == "environment":
            return {}
        return {"proxy": NOWHERE, "accounts": {"default": {"proxy": self.url}}}

    @property
    def env(self) -> dict[str, str]:
        """The proxy, or what must not count."""
        if self.place == "environment":
            return {**super().env, "HTTPS_PROXY": self.url, "ALL_PROXY": NOWHERE, "NO_PROXY": "example.org"}
        return {
            **super().env,
            "HTTPS_PROXY": NOWHERE,
            "http_proxy": NOWHERE,
            "NO_PROXY": "*",
            "no_proxy": "*",
        }

    def log(self) -> list[str]:
        """Lines of ``logs/shoal.log``."""
        path = self.state_dir / "logs" / "shoal.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def wait_log(self, *words: str, after: int = 0, timeout: float = 30.0) -> str:
        """The first line after number ``after`` that holds all of ``words``."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.log()[after:]:
                if all(word in line for word in words):
                    return line
            time.sleep(0.1)
        raise AssertionError(f"no line with {words}\n{self.said()}")

    def fail(self, **how: Any) -> None:
        """The proxy dies, and with ``how`` comes back as a worse one."""
        self.proxy.close()
        for name, value in how.items():
            setattr(self.proxy, name, value)
        if how:
            self.proxy.listen()

    def heal(self) -> None:
        """The proxy is what it was."""
        self.proxy.close()
        self.proxy.user, self.proxy.password, self.proxy.refuse = USER, PASSWORD, None
        self.proxy.listen()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test started."""
    with ExitStack() as opened:
        yield opened


OTHER = {"user": "somebody", "password": "else"}
# each fleet has seen a dead proxy at its start; every failure of every kind of proxy, leg by leg,
# is in test_proxy_proof.py
FAILURES: dict[str, list[tuple[str, dict[str, Any], str, str]]] = {
    "http": [
        ("rules", {"refuse": 403}, "403", "Allow discord.com"),
        ("users", OTHER, "407", "%40"),
    ],
    "socks5h": [
        ("dead", {}, "ECONNREFUSED", "Start the proxy"),
        ("users", OTHER, "refused the user name and password", "%40"),
    ],
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("kind", "place"), [("http", "account"), ("socks5h", "environment")])
def test_nothing_goes_around_the_proxy_and_nothing_is_lost_while_it_is_away(
    stack: ExitStack, tmp_path: Path, kind: str, place: str
) -> None:
    fleet = ProxiedFleet(tmp_path, kind, place)
    stack.callback(fleet.stop)
    fleet.start()
    fleet.wait_log("gateway metadata lookup failed", "ECONNREFUSED", "Start the proxy", timeout=60)
    assert fleet.simulator.core.log.select("gateway") == []
    fleet.heal()
    fleet.wait_online()
    _answers(fleet)
    for name, how, word, fix in FAILURES[kind]:
        _answers_after(fleet, name, how, word, fix)
    _uploads_and_downloads(fleet)
    told = json.loads(fleet.shoal("status", "--json").stdout)["proxies"]
    assert fleet.down() == 0, fleet.said()
    _nothing_went_direct(fleet, told)


def _answers(fleet: ProxiedFleet) -> None:
    fleet.models.script([{"text": "through the proxy"}])
    said = fleet.control.dm("hello")
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=30)
    assert answer["content"] == "through the proxy"
    for line in (
        f"Discord gateway connecting via proxy: {fleet.proxy.kind}://{fleet.proxy.host}:{fleet.proxy.port}/",
        "Discord gateway connected (WebSocket)",
        "Discord gateway connected via proxy",
        "Received: ",
        "Sending reply via REST (proxied)",
        "Reply sent successfully (200 OK)",
    ):
        fleet.wait_log(line, timeout=5)


def _answers_after(fleet: ProxiedFleet, name: str, how: dict[str, Any], word: str, fix: str) -> None:
    """The proxy fails while the model thinks: told, with leg and fix, and answered once when it is back."""
    before, asked = len(fleet.log()), len(fleet.models.requests())
    fleet.models.script([{"match": f"before {name}", "text": f"after {name}", "delay": 1.0}])
    said = fleet.control.dm(f"before {name}")
    fleet.models.wait_for_requests(asked + 1, timeout=30)
    fleet.fail(**how)
    fleet.wait_log("discord final reply failed", word, fix, after=before)
    fleet.wait_log("Failed to connect to Discord gateway", word, fix, after=before)
    assert fleet.bot_messages(said["channel_id"], said["id"]) == []
    fleet.heal()
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=40)
    assert answer["content"] == f"after {name}"
    fleet.wait_online()
    assert len(fleet.bot_messages(said["channel_id"], said["id"])) == 1


def _uploads_and_downloads(fleet: ProxiedFleet) -> None:
    """Each leg once more, with this fleet's own config and environment."""
    job = {
        "name": "fleet",
        "config": str(fleet.config_path),
        "state_dir": str(fleet.state_dir),
        "env": fleet.env,
        "account": "default",
        "channel": fleet.simulator.channel_id,
    }
    done = subprocess.run(
        [sys.executable, "-P", proxy_probe.__file__],
        input=json.dumps([job]),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])["fleet"]
    legs = ("rest", "upload", "download", "signed upload", "gateway", "model")
    assert told == {**dict.fromkeys(legs, "ok"), "proxied": True, "guard": []}


def _nothing_went_direct(fleet: ProxiedFleet, told: dict[str, Any]) -> None:
    lines = fleet.simulator.core.log.kept
    assert {line["source"] for line in lines if "source" in line} - {CONTROL_ADDRESS} == {PROXY_ADDRESS}
    assert fleet.simulator.core.log.select("refused") == []
    assert set(fleet.models.sources()) == {PROXY_ADDRESS}
    model = fleet.models.url.split("/")[2]
    assert model in fleet.model_proxy.targets  # the provider's own proxy wins over the account's
    assert model not in fleet.proxy.targets
    record = fleet.state_dir / "logs" / "egress.jsonl"
    assert not record.exists(), record.read_text()
    assert (told["guard"], told["refused"]) == (True, 0)
    text = "\n".join(fleet.log())
    guarded = [line for line in fleet.log() if "egress guard on" in line]
    for process in PROCESSES:
        assert any(process in line for line in guarded), f"{process} has no guard"
    assert PASSWORD not in text
    assert ENCODED not in text
    assert "fetch failed" not in text
