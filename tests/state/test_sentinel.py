"""A store found through a real Sentinel."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.base.errors import ShoalError
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store
from tests.state.support import SESSION, record


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sentinel_url(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedServer(tmp_path / "state", port=free_port(), fsync="no")
    server.start()
    password = server.password().get_secret_value()
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
        f"sentinel monitor reef 127.0.0.1 {server.port} 1\nsentinel auth-pass reef {password}\n"
    )
    process = subprocess.Popen([str(server.engine()), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    yield f"sentinel://:{password}@127.0.0.1:{port}/0?service=reef"
    process.kill()
    process.wait()
    server.stop()


def test_a_store_behind_a_sentinel(sentinel_url: str) -> None:
    opened = Store.open(sentinel_url)
    deadline = time.monotonic() + 20
    while True:
        try:
            report = opened.check()
            break
        except ShoalError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert report.version
    assert opened.lanes.push(SESSION, record("m:1")).new
    assert "@" not in opened.url
    opened.close()
