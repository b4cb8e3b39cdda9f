"""The gateway as a process: handed over by SIGTERM, killed under load, seen in its log."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.gateway.conftest import ACCOUNT, TOKEN, depth, eventually, inbound
from tests.gateway.support.server import ScriptedGateway, message
from tests.gateway.support.socks import SocksProxy

pytestmark = pytest.mark.waits

ROOT = Path(__file__).resolve().parents[2]

Launch = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def launch(
    tmp_path: Path, server: ScriptedGateway, store: Store, redis_server: RedisServer
) -> Iterator[Launch]:
    """Starts gateway processes; ``launch(discord={…}, force=True)``."""
    started: list[subprocess.Popen[bytes]] = []

    def make(
        *, discord: dict[str, Any] | None = None, force: bool = False, standby: bool = False
    ) -> subprocess.Popen[bytes]:
        path = tmp_path / "shoal.json"
        path.write_text(json.dumps({"channels": {"discord": {"enabled": True, **(discord or {})}}}))
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "DISCORD_BOT_TOKEN": TOKEN,
            "SHOAL_DISCORD_API_URL": server.api_url,
            "SHOAL_REDIS_URL": redis_server.url,
        }
        words = [sys.executable, "-m", "tests.gateway.support.process", str(path), str(tmp_path)]
        with (tmp_path / "stderr.log").open("ab") as log:
            process = subprocess.Popen(
                [*words, *(["force"] if force else []), *(["standby"] if standby else [])],
                env=env,
                cwd=tmp_path,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield make
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def log_of(folder: Path) -> str:
    return (folder / "stderr.log").read_text("utf-8")


def ready(server: ScriptedGateway, store: Store) -> None:
    server.wait_frames(2)
    eventually(lambda: store.intake.cursor(ACCOUNT, 0))


def ids(store: Store) -> list[str]:
    return [msgspec.json.decode(event.data)["id"] for event in inbound(store)]


def test_sigterm_keeps_the_session_and_the_next_process_resumes(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path
) -> None:
    first = launch()
    ready(server, store)
    sent = [message(number) for number in range(6)]
    for one in sent[:3]:
        server.dispatch("MESSAGE_CREATE", one)
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0, log_of(tmp_path)
    close = next(what for kind, what in server.notes if kind == "close")
    assert 4000 <= close["code"] < 5000
    assert store.intake.holder(ACCOUNT) is None
    assert store.processes.living() == []
    for one in sent[3:]:
        server.dispatch("MESSAGE_CREATE", one)
    launch()
    [resume] = server.wait_frames(6)
    assert resume["seq"] >= 1
    eventually(lambda: depth(store) == 6)
    assert ids(store) == [one["id"] for one in sent]
    assert server.count("frame", 2) == 1


def test_kill_9_under_load_loses_nothing_and_doubles_nothing(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 30)
    sys.stdout.write(f"seed {seed}\n")
    rng = random.Random(seed)
    process = launch()
    ready(server, store)
    total = 4000
    sent: list[str] = []
    done = threading.Event()

    def load() -> None:
        for number in range(total):
            one = message(number)
            sent.append(one["id"])
            server.dispatch("MESSAGE_CREATE", one)
            if number % 7 == 0:
                server.dispatch("TYPING_START", {"channel_id": "1"})
            time.sleep(0.001)
        done.set()

    threading.Thread(target=load, daemon=True).start()
    kills = 0
    while not done.is_set() or kills < 4:
        resumes = server.count("frame", 6)
        time.sleep(rng.uniform(0.05, 0.6))
        process.kill()
        process.wait(10)
        kills += 1
        process = launch()
        server.wait_frames(6, resumes + 1, 30.0)
    eventually(lambda: depth(store) == total, 60.0)
    assert ids(store) == sent
    assert server.count("frame", 2) == 1
    assert kills >= 4


def test_the_well_known_lines_are_written_and_every_byte_takes_the_proxy(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path
) -> None:
    proxy = SocksProxy()
    launch(discord={"proxy": f"socks5h://ann:s3cret-word@127.0.0.1:{proxy.port}"})
    ready(server, store)
    one = message(1, content="whisper about fish")
    server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(store) == 1)
    eventually(lambda: "Received: " in log_of(tmp_path))
    said = log_of(tmp_path)
    for line in (
        f"Discord gateway connecting via proxy: socks5h://127.0.0.1:{proxy.port}",
        "Discord gateway connected (WebSocket)",
        "Discord gateway connected via proxy",
        f"Received: message {one['id']}",
    ):
        assert line in said
    for secret in (TOKEN, "s3cret-word", one["content"], "session0001"):
        assert secret not in said
    assert (tmp_path / "logs" / "shoal.log").read_text("utf-8").count("Received: ") == 1
    assert len(proxy.targets) >= 2
    assert {target[1] for target in proxy.targets} == {server.port}
    proxy.stop()


@pytest.mark.parametrize(("code", "word"), [(4004, "Reset Token"), (4014, "Privileged Gateway Intents")])
def test_a_refusal_ends_the_process_with_code_78_and_the_fix(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path, code: int, word: str
) -> None:
    server.script.close_on_identify = code
    assert launch().wait(30) == 78
    said = log_of(tmp_path)
    assert word in said
    assert f"close code {code}" in said


def test_a_second_process_leaves_with_code_75(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path
) -> None:
    first = launch()
    ready(server, store)
    assert launch().wait(30) == 75
    assert "--force" in log_of(tmp_path)
    assert first.poll() is None
    launch(force=True)
    server.wait_frames(6)
    assert first.wait(20) == 75


def test_a_frozen_gateway_that_wakes_after_a_take_over_writes_nothing(
    server: ScriptedGateway, store: Store, launch: Launch
) -> None:
    first = launch()
    ready(server, store)
    first.send_signal(signal.SIGSTOP)
    launch(force=True)
    server.wait_frames(6)
    sent = [message(number) for number in range(20)]
    for one in sent:
        server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(store) == 20)
    first.send_signal(signal.SIGCONT)
    assert first.wait(30) == 75
    server.dispatch("MESSAGE_CREATE", message(50))
    eventually(lambda: depth(store) == 21)
    assert ids(store)[:20] == [one["id"] for one in sent]


def kinds(store: Store) -> dict[int, str]:
    """Process → what it says it is."""
    return {process.pid: process.kind for process in store.processes.living()}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_standby_takes_over_with_resume(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path, how: signal.Signals
) -> None:
    """A holder that died on this machine is known at once; one that only went silent, when its lease ends."""
    first = launch()
    ready(server, store)
    second = launch(standby=True)
    eventually(lambda: "standing by" in log_of(tmp_path))
    server.dispatch("MESSAGE_CREATE", message(1))
    eventually(lambda: depth(store) == 1)
    first.send_signal(how)
    begun = time.monotonic()
    server.dispatch("MESSAGE_CREATE", message(2))
    server.wait_frames(6)
    assert time.monotonic() - begun <= 10.0
    eventually(lambda: depth(store) == 2)
    assert server.count("frame", 2) == 1
    assert second.poll() is None
    assert kinds(store)[second.pid] == "gateway"
    if how == signal.SIGSTOP:
        first.send_signal(signal.SIGCONT)
        assert first.wait(30) == 75


def test_a_standby_that_is_told_to_leave_leaves(
    server: ScriptedGateway, store: Store, launch: Launch, tmp_path: Path
) -> None:
    first = launch()
    ready(server, store)
    second = launch(standby=True)
    eventually(lambda: "standing by" in log_of(tmp_path))
    # who looks (`shoal status`, the health check of a container) sees that it lives, and as what
    eventually(lambda: kinds(store) == {first.pid: "gateway", second.pid: "standby"})
    second.send_signal(signal.SIGTERM)
    assert second.wait(10) == 0
    assert kinds(store) == {first.pid: "gateway"}
    assert first.poll() is None
    assert store.intake.holder(ACCOUNT) is not None
