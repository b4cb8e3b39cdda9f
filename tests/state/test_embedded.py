"""The server we bring along, and what survives its death."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

import shoal.state.embedded
from shoal.base.errors import ProcessError, StoreUnavailable
from shoal.base.ids import new_token
from shoal.state.effects import Push
from shoal.state.embedded import EmbeddedServer, memory_bound
from shoal.state.records import Grant
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.state.support import DELIVERY, SESSION, record


def test_it_is_guarded_and_writes_through(durable_server: RedisServer) -> None:
    embedded = durable_server.embedded
    for path in (embedded.config_path, embedded.password_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(embedded.socket_path.stat().st_mode) == 0o700
    opened = Store.open(durable_server.url)
    report = opened.check()
    assert (report.aof, report.appendfsync, report.warnings) == (True, "always", ())
    assert opened.redis.config_get("port")["port"] in (b"0", "0")
    opened.close()


def test_it_has_a_bound_so_that_somebody_is_warned_before_it_is_full(durable_server: RedisServer) -> None:
    """Without one it grows until the kernel kills something (R27)."""
    opened = Store.open(durable_server.url)
    report = opened.check()
    assert 256 * 1024**2 <= report.maxmemory <= 4 * 1024**3
    assert report.maxmemory == memory_bound()
    assert 0 < opened.memory_share() < 0.5
    opened.close()


def test_the_bound_follows_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(shoal.state.embedded, "_CGROUP_LIMIT", limit)
    whole = memory_bound()
    for text, expected in (("max", whole), (str(1024**3), 1024**3 // 2), ("1000", 256 * 1024**2)):
        limit.write_text(text)
        assert memory_bound() == expected


def test_a_second_server_on_the_same_state_is_refused(durable_server: RedisServer) -> None:
    second = EmbeddedServer(durable_server.state_dir)
    with pytest.raises(ProcessError, match=str(durable_server.embedded.pid)):
        second.start()
    durable_server.kill()
    second.start()
    second.stop()


def test_a_long_state_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("very-long-" * 12), fsync="no")
    server.start()
    opened = Store.open(server.url())
    assert opened.check().version
    opened.close()
    server.stop()
    assert len(str(server.socket_path)) < 100


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, fsync="sometimes")
    with pytest.raises(ProcessError, match="sometimes"):
        server.start()


@pytest.mark.waits
def test_a_killed_server_loses_no_acknowledged_write(durable_server: RedisServer) -> None:
    """Many threads push and commit; the server is killed in the middle, twice (R2)."""
    acknowledged: set[str] = set()
    committed: set[str] = set()
    lock = threading.Lock()

    def work(number: int) -> None:
        opened = Store.open(durable_server.url)
        lane = f"session:agent:main:dm:{number}"
        try:
            for index in range(100_000):
                name = f"m:{number}.{index}"
                opened.lanes.push(lane, record(name))
                with lock:
                    acknowledged.add(name)
                if index % 2:
                    grant = opened.lanes.acquire(lane, new_token())
                    assert isinstance(grant, Grant)
                    opened.lanes.commit(grant, [Push(DELIVERY, record(grant.head.identity))], take_next=False)
                    with lock:
                        committed.add(grant.head.identity)
        except StoreUnavailable:
            return
        finally:
            opened.close()

    for round_number in range(2):
        threads = [threading.Thread(target=work, args=(10 * round_number + n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        threads[0].join(0.8)
        durable_server.kill()
        for thread in threads:
            thread.join()
        durable_server.restart()
    opened = Store.open(durable_server.url)
    stored: set[str] = set()
    for key in opened.redis.keys("shoal:1:rec:*"):
        stored |= {name.decode() for name in opened.redis.hkeys(key)}
    delivered = {name.decode() for name in opened.redis.hkeys(opened.keys.lane_records(DELIVERY))}
    assert len(acknowledged) > 50
    assert committed <= delivered
    assert acknowledged <= stored
    opened.close()


def test_a_store_goes_on_after_a_restart(durable_server: RedisServer) -> None:
    opened = Store.open(durable_server.url)
    epoch = opened.epoch()
    opened.lanes.push(SESSION, record("m:1"))
    grant = opened.lanes.acquire(SESSION, new_token())
    assert isinstance(grant, Grant)
    durable_server.kill()
    with pytest.raises(StoreUnavailable):
        opened.lanes.commit(grant)
    durable_server.restart()
    assert opened.lanes.commit(grant) is None
    assert opened.epoch() == epoch
    opened.close()
