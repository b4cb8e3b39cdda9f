"""Redis behind TLS, with an authority of the operator's own (rule R30): the store and the task queue."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.base.errors import StoreUnavailable
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store
from tasks.app import build_app
from tests.discord.support.net import AUTHORITY, SERVER_ADDRESS, TcpServer, free_port


class TlsFront(TcpServer):
    """Speaks TLS and hands everything on to a plain server on this machine."""

    def __init__(self, port: int) -> None:
        self._behind = port
        super().__init__(SERVER_ADDRESS, tls=True)

    def serve(self, sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._behind)) as plain:
            pairs = {sock: plain, plain: sock}
            while True:
                ready = [sock] if sock.pending() else select.select(list(pairs), [], [])[0]  # type: ignore[attr-defined]
                for one in ready:
                    data = one.recv(65_536)
                    if not data:
                        return
                    pairs[one].sendall(data)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """``rediss://`` of a real server behind TLS."""
    server = EmbeddedServer(tmp_path / "state", port=free_port("127.0.0.1"), fsync="no")
    server.start()
    with TlsFront(server.port) as front:
        password = server.password().get_secret_value()
        yield f"rediss://:{password}@{SERVER_ADDRESS}:{front.port}/0"
    server.stop()


def test_the_store_trusts_the_authority_of_the_config(url: str) -> None:
    opened = Store.open(url, ca_file=str(AUTHORITY))
    assert opened.check().version
    opened.close()


def test_without_it_the_server_is_refused(url: str) -> None:
    opened = Store.open(url)
    with pytest.raises(StoreUnavailable):
        opened.redis.ping()
    opened.close()


def test_the_task_queue_trusts_it_too(url: str) -> None:
    with build_app(url, None, str(AUTHORITY)).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        assert connection.connected


def test_the_task_queue_never_speaks_to_an_unknown_server(url: str) -> None:
    """Kombu alone would verify nothing, and hand the password to anybody in between."""
    connection = build_app(url).connection_for_write()
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        connection.ensure_connection(max_retries=1, timeout=5)
