"""Opening a store, and whether the server may be trusted."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shoal.base.errors import StateError, StoreUnavailable, StoreUnsuitable
from shoal.base.redact import redactor
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.state.support import SESSION, record


def test_check_reports_the_server_and_makes_the_epoch_once(store: Store) -> None:
    report = store.check()
    assert report.server == "valkey"
    assert report.aof
    assert len(report.epoch) == 32
    assert store.check().epoch == report.epoch == store.epoch()
    assert any("appendfsync" in warning for warning in report.warnings), "this server runs without fsync"


def test_a_server_that_evicts_is_refused(store: Store) -> None:
    store.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StoreUnsuitable, match="allkeys-lru"):
            store.check()
    finally:
        store.redis.config_set("maxmemory-policy", "noeviction")


@pytest.mark.waits
def test_a_wrong_password_is_said_and_not_shown(redis_server: RedisServer) -> None:
    url = redis_server.embedded.url(password=False)
    for password in (None, SecretStr("wrong-password")):
        opened = Store.open(url, password=password)
        with pytest.raises(StoreUnsuitable) as caught:
            opened.check()
        assert "password" in str(caught.value)
        assert "wrong-password" not in str(caught.value)
        opened.close()
    opened = Store.open(url, password=redis_server.embedded.password())
    assert opened.check().version
    opened.close()


def test_urls_are_checked_and_never_shown_with_credentials(redis_server: RedisServer) -> None:
    for url in ("http://x", "redis", "sentinel://host:1", "sentinel://host:port/0?service=x"):
        with pytest.raises(StoreUnsuitable):
            Store.open(url)
    opened = Store.open("redis://user:s3cretword@127.0.0.1:1/0")
    assert opened.url == "redis://127.0.0.1:1/0"
    assert redactor.mask("it was s3cretword") == "it was ***"
    opened.close()


def test_a_password_with_a_slash_is_not_quoted_as_a_port() -> None:
    with pytest.raises(StoreUnsuitable) as caught:
        Store.open("redis://:s3cr3t/s3cr3t@127.0.0.1:6379/0")
    assert "s3cr3t" not in f"{caught.value} {caught.value.fix}"
    assert "%2F" in str(caught.value.fix)


def test_beyond_this_machine_tls_and_a_password_are_wanted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Store.open("redis://:pw@203.0.113.5:6379/0")
    monkeypatch.setattr(far.redis, "info", store.redis.info)
    with pytest.raises(StoreUnsuitable, match="TLS"):
        far.check()
    open_door = Store.open("rediss://203.0.113.5:6379/0")
    monkeypatch.setattr(open_door.redis, "info", store.redis.info)
    with pytest.raises(StoreUnsuitable, match="password"):
        open_door.check()


class _Elsewhere(socketserver.StreamRequestHandler):
    """Somebody else's server, as far as it gets: says what it is when asked, OK to everything else."""

    INFO = b""

    def handle(self) -> None:
        while (head := self.rfile.readline()).startswith(b"*"):
            words = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            info = self.INFO
            answer = b"$%d\r\n%s\r\n" % (len(info), info) if words[0].upper() == b"INFO" else b"+OK\r\n"
            self.wfile.write(answer)


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (b"redis_version:6.0.16\r\n", "Redis 6.0.16 is too old"),
        (b"redis_version:7.4.1\r\ncluster_enabled:1\r\n", "Redis Cluster cannot be used"),
    ],
)
def test_a_server_that_cannot_hold_our_state_is_refused(info: bytes, why: str) -> None:
    handler = type("Elsewhere", (_Elsewhere,), {"INFO": info})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = Store.open(f"redis://:x@127.0.0.1:{server.server_address[1]}/0")
        with pytest.raises(StoreUnsuitable, match=why) as caught:
            opened.check()
        assert caught.value.fix
        opened.close()
        server.shutdown()


def test_a_name_nobody_knows_is_said() -> None:
    opened = Store.open("rediss://:s3cr3t@redis.invalid:6379/0")
    with pytest.raises(
        StoreUnavailable, match=r"redis\.invalid:6379.*(not known|resolution|No address)"
    ) as caught:
        opened.check()
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.waits
def test_nobody_there_is_unavailable_within_seconds(tmp_path: Path) -> None:
    opened = Store.open(f"unix://{tmp_path}/nobody.sock")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        opened.epoch()
    with pytest.raises(StoreUnavailable):
        opened.lanes.push(SESSION, record("m:1"))
    with pytest.raises(StoreUnavailable):
        opened.facts.put_channel("default", {"id": "1"})
    assert time.monotonic() - started < 15


@pytest.fixture
def tcp_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = EmbeddedServer(tmp_path / "tcp", port=port, fsync="no")
    server.start()
    yield server
    server.stop()


class LosingProxy:
    """A TCP proxy that swallows the answer to one command and cuts the connection."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.lose_next = threading.Event()
        self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            while data := client.recv(1 << 20):
                server.sendall(data)
                answer = server.recv(1 << 20)
                if self.lose_next.is_set() and b"EVALSHA" in data:
                    self.lose_next.clear()
                    self.lost += 1
                    return
                client.sendall(answer)


def test_a_lost_answer_is_asked_for_again_and_counts_once(tcp_server: EmbeddedServer) -> None:
    proxy = LosingProxy(tcp_server.port)
    opened = Store.open(f"redis://127.0.0.1:{proxy.port}/0", password=tcp_server.password())
    lanes = opened.lanes
    lanes.push(SESSION, record("m:0"))
    proxy.lose_next.set()
    lanes.push(SESSION, record("m:1"))
    from shoal.state.records import Grant

    for expected in ("m:0", "m:1"):
        proxy.lose_next.set()
        grant = lanes.acquire(SESSION, f"{expected.replace(':', '')}token")
        assert isinstance(grant, Grant), "refused by ourselves"
        assert grant.head.identity == expected
        proxy.lose_next.set()
        lanes.checkpoint(grant, 1, journal=b"x")
        proxy.lose_next.set()
        assert lanes.commit(grant, take_next=False) is None
    assert lanes.depth(SESSION) == 0
    assert proxy.lost == 7 - 0
    proxy.listener.close()
    opened.close()


def test_a_frozen_server_is_unavailable_not_for_ever(tcp_server: EmbeddedServer) -> None:
    import os
    import signal

    opened = Store.open(tcp_server.tcp_url())
    opened.redis.connection_pool.connection_kwargs["socket_timeout"] = 0.2
    opened.epoch()
    opened.redis.connection_pool.disconnect()
    pid = tcp_server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            opened.lanes.push(SESSION, record("m:1"))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert opened.lanes.push(SESSION, record("m:1")).depth == 1
    opened.close()


def test_a_script_that_breaks_says_which(store: Store) -> None:
    with pytest.raises(StateError, match="lane_dead"):
        store.script("lane_dead")("retry")


def test_many_threads_share_a_store(store: Store) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        for index in range(30):
            store.lanes.push(f"session:agent:main:dm:{number}", record(f"m:{index}"))
        done.append(store.lanes.depth(f"session:agent:main:dm:{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [30] * 16
