"""A real worker process on a real Valkey: hints written by scripts, remote control, stopping, settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.fleet import descendants
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import InboundEvent, Record, encode_event
from shoal.state.store import Store
from tasks.app import QUEUE_PREFIX, build_app, transport_options
from tests.conftest import RedisServer

pytestmark = pytest.mark.waits

TOKEN = "MTMwMDAwMDAwMDAwMDAwMDAw.GTest1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def front(durable_server: RedisServer, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One ``shoal worker front``."""
    (tmp_path / "state").mkdir()
    config = {"channels": {"discord": {"dmPolicy": "allowlist", "allowFrom": ["5"]}}}
    (tmp_path / "state" / "shoal.json").write_text(json.dumps(config))
    env = {
        **os.environ,
        "SHOAL_STATE_DIR": str(tmp_path / "state"),
        "SHOAL_REDIS_URL": durable_server.url,
        "DISCORD_BOT_TOKEN": TOKEN,
    }
    out = (tmp_path / "out").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "shoal.cli", "worker", "front"], env=env, stdout=out, stderr=out
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    out.close()


@pytest.fixture
def open_store(durable_server: RedisServer) -> Iterator[Store]:
    opened = Store.open(durable_server.url, client_name="test")
    yield opened
    opened.close()


def wait(look: object, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not look():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def push(store: Store, message_id: str) -> None:
    data = {"id": message_id, "channel_id": "7", "author": {"id": "9", "username": "x"}, "content": "hi"}
    body = encode_event(
        InboundEvent("default", 0, "MESSAGE_CREATE", 1, __import__("msgspec").Raw(json.dumps(data).encode()))
    )
    store.lanes.push(
        "inbound:default:7",
        Record(f"m.{message_id}", "MESSAGE_CREATE", body, account="default", message_id=message_id),
    )


def test_a_worker_is_woken_controlled_and_stopped(
    front: subprocess.Popen[bytes], open_store: Store, durable_server: RedisServer
) -> None:
    store = open_store
    wait(lambda: store.hints.get("inbound") is not None)
    push(store, "1300000000000000001")
    wait(lambda: store.ledger.explain("default", "1300000000000000001") is not None)
    explained = store.ledger.explain("default", "1300000000000000001")
    assert explained is not None
    assert explained.outcome == "dropped"

    app = build_app(durable_server.url)
    app.conf.broker_transport_options = transport_options()
    wait(lambda: app.control.inspect(timeout=1).ping())
    inspect = app.control.inspect(timeout=3)
    node = next(iter(inspect.ping()))
    assert node.startswith("front@")
    assert app.control.broadcast("turns", reply=True, timeout=3) == [{node: []}]
    assert app.control.broadcast("log_level", {"level": "loud"}, reply=True, timeout=3)[0][node]["error"]
    assert app.control.broadcast("log_level", {"level": "debug"}, reply=True, timeout=3)[0][node]["ok"]
    _no_secret_in_what_a_worker_tells(inspect, durable_server)

    started = time.monotonic()
    app.control.broadcast("drain")
    assert front.wait(timeout=25) == 0
    assert time.monotonic() - started < 20


def _no_secret_in_what_a_worker_tells(inspect: object, server: RedisServer) -> None:
    password = EmbeddedServer(server.state_dir).password().get_secret_value()
    told = repr((inspect.conf(), inspect.stats(), inspect.report()))  # type: ignore[attr-defined]
    assert "broker_url" in told
    assert password not in told
    assert TOKEN not in told


def test_what_is_no_task_of_ours_is_refused_without_a_word_of_it(
    front: subprocess.Popen[bytes], open_store: Store, durable_server: RedisServer, tmp_path: Path
) -> None:
    """Promise 8 and R26: tasks of another release, forged ones, noise. One line each, and work goes on."""
    store, queue = open_store, QUEUE_PREFIX + "inbound"
    wait(lambda: store.hints.get("inbound") is not None)
    app = build_app(durable_server.url)
    app.send_task("inbound.dance", args=("s3cr3t-word",), kwargs={"k": "s3cr3t-word"}, queue="inbound")
    app.send_task("s3cr3t-word", queue="inbound")
    found = store.hints.get("inbound")
    assert found is not None
    hint = json.loads(found[1])
    for noise in ({"body": "s3cr3t-word"}, {"headers": {"s3cr3t-word": 1}}):
        store.redis.lpush(queue, json.dumps({**hint, **noise}))
    wait(lambda: not store.redis.llen(queue))
    push(store, "1300000000000000001")
    wait(lambda: store.ledger.explain("default", "1300000000000000001") is not None)
    log = (tmp_path / "out").read_text() + (tmp_path / "state" / "logs" / "shoal.log").read_text()
    assert log.count("a task was refused") >= 4
    assert "inbound.dance" in log
    assert "s3cr3t-word" not in log
    app.close()


def test_sigterm_ends_a_worker_at_once(front: subprocess.Popen[bytes], open_store: Store) -> None:
    wait(lambda: open_store.hints.get("inbound") is not None)
    time.sleep(1)
    started = time.monotonic()
    front.send_signal(signal.SIGTERM)
    assert front.wait(timeout=25) == 0
    assert time.monotonic() - started < 15


def ask(folder: Path, server: RedisServer, *words: str) -> subprocess.CompletedProcess[str]:
    """``shoal workers …`` as an operator types it."""
    env = {**os.environ, "SHOAL_STATE_DIR": str(folder), "SHOAL_REDIS_URL": server.url}
    command = [sys.executable, "-m", "shoal.cli", "workers", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_an_operator_reaches_the_workers(
    front: subprocess.Popen[bytes], open_store: Store, durable_server: RedisServer, tmp_path: Path
) -> None:
    """The remote control of ours, by the command line: who, what, how loud, and out."""
    folder = tmp_path / "state"
    nobody = ask(folder, durable_server, "turns")
    if nobody.returncode:  # the worker may be up already
        assert nobody.returncode == 69, nobody.stderr
    wait(lambda: any(process.kind == "front" for process in open_store.processes.living()))
    wait(lambda: ask(folder, durable_server, "turns", "--timeout", "1").returncode == 0, 60)

    answered = ask(folder, durable_server, "turns", "front", "--json")
    [(node, held)] = json.loads(answered.stdout).items()
    assert (node.partition("@")[0], held) == ("front", [])
    assert ask(folder, durable_server, "turns", node).stdout == f"{node}  idle\n"
    assert json.loads(ask(folder, durable_server, "lanes", "--json").stdout) == {}
    assert "log level is DEBUG" in ask(folder, durable_server, "log-level", "debug").stdout
    wrong = ask(folder, durable_server, "log-level", "loud")
    assert wrong.returncode == 2
    assert "use one of DEBUG" in wrong.stdout
    unknown = ask(folder, durable_server, "turns", "back")
    assert unknown.returncode == 69
    assert node in unknown.stderr

    assert ask(folder, durable_server, "drain").returncode == 2, "all of them only where that is said"
    assert front.poll() is None
    assert json.loads(ask(folder, durable_server, "drain", "front", "--json").stdout)[node]["ok"]
    assert front.wait(timeout=25) == 0


@pytest.mark.slow
def test_children_of_the_chores_die_with_their_parent(durable_server: RedisServer, tmp_path: Path) -> None:
    """Stopped ones too: a child in the middle of its work does not look whether its parent lives."""
    (tmp_path / "shoal.json").write_text("{}")
    env = {**os.environ, "SHOAL_STATE_DIR": str(tmp_path), "SHOAL_REDIS_URL": durable_server.url}
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "shoal.cli", "worker", "chores"]
        process = subprocess.Popen(command, env={**env, "DISCORD_BOT_TOKEN": TOKEN}, stdout=out, stderr=out)
    try:
        wait(lambda: b"worker is ready" in (tmp_path / "out").read_bytes())
        wait(lambda: descendants(process.pid))
        time.sleep(2)  # the child asks the kernel once its process has begun
        children = descendants(process.pid)
        for child in children:
            os.kill(child, signal.SIGSTOP)
    finally:
        process.kill()
        process.wait()
    wait(lambda: not any(_lives(child) for child in children))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
