"""One websocket against a real server: TLS, limits, closing, what is refused."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.closing import KEEP_SESSION
from gateway.compression import decompressor
from gateway.guarded import GuardedSocket
from gateway.socket import LIMIT, RESERVE, Closed, GatewaySocket, PayloadTooLarge, gateway_url
from shoal.base.errors import TransportError
from shoal.discord.origins import Endpoint, Origins
from shoal.state.store import Store
from tests.discord.support.net import AUTHORITY, SERVER_ADDRESS, server_context
from tests.gateway.conftest import ACCOUNT, Start, depth, eventually, inbound
from tests.gateway.support.server import ScriptedGateway, message


class Direct:
    """Dials without a proxy, to any port of 127.0.0.1."""

    def gateway_endpoint(self, url: str) -> Endpoint:
        port = urlsplit(url).port or 80
        return Origins(f"http://127.0.0.1:{port}/api/v10").gateway(url)

    def open_socket(self, host: str, port: int, *, tls: bool = True, timeout: float = 10.0) -> socket.socket:
        assert not tls
        return socket.create_connection((host, port), timeout)


@pytest.fixture
def opened(server: ScriptedGateway) -> Iterator[GatewaySocket]:
    one = GatewaySocket.open(server.ws_url, Direct(), "none")
    yield one
    one.close(KEEP_SESSION, "end of the test")
    one.release()


@pytest.fixture
def tls_server() -> Iterator[ScriptedGateway]:
    running = ScriptedGateway(host=SERVER_ADDRESS, tls=server_context())
    yield running
    running.stop()


def test_over_tls_with_the_authority_of_the_config(
    tls_server: ScriptedGateway, store: Store, start: Start
) -> None:
    """Commands and heartbeats leave from other threads while one reads: busy in both directions."""
    tls_server.script.interval_ms = 500
    start(api_url=tls_server.api_url, discord={"proxyCaFile": str(AUTHORITY)})
    tls_server.wait_frames(2)
    sent = [message(number, content="x" * 1500) for number in range(400)]
    for _ in range(60):
        store.intake.command(ACCOUNT, b'{"op":4,"d":{"guild_id":"1","channel_id":null}}')
    for one in sent:
        tls_server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(store) == 400)
    tls_server.wait_frames(4, 60)
    tls_server.wait_frames(1, 2)
    assert [json.loads(bytes(event.data)) for event in inbound(store)] == sent
    assert tls_server.count("open") == 1


def test_over_tls_without_the_authority_nothing_is_sent(tls_server: ScriptedGateway, start: Start) -> None:
    running = start(api_url=tls_server.api_url)
    eventually(lambda: running.gateway.shard.status()["phase"] == "connecting")
    threading.Event().wait(1.0)
    assert tls_server.notes == []


def test_too_many_commands_wait_and_heartbeats_do_not(server: ScriptedGateway, opened: GatewaySocket) -> None:
    body = b'{"op":3,"d":{}}'
    waits = [opened.send_command(body) for _ in range(LIMIT - RESERVE)]
    assert set(waits) == {0.0}
    assert 50.0 < opened.send_command(body) <= 61.0
    for _ in range(RESERVE):
        opened.send(b'{"op":1,"d":null}')
    server.wait_frames(1, RESERVE)
    assert server.count("frame", 3) == LIMIT - RESERVE


def test_a_large_payload_never_leaves(server: ScriptedGateway, opened: GatewaySocket) -> None:
    exact = b'{"op":3,"d":"' + b"x" * (4096 - 15) + b'"}'
    assert len(exact) == 4096
    assert opened.send_command(exact) == 0.0
    with pytest.raises(PayloadTooLarge):
        opened.send_command(exact + b" ")
    with pytest.raises(PayloadTooLarge):
        opened.send(exact + b" ")
    server.wait_frames(3)
    assert server.count("frame") == 1


def test_closing_from_another_thread_wakes_the_reader_and_carries_the_code(
    server: ScriptedGateway, opened: GatewaySocket
) -> None:
    assert b"heartbeat_interval" in opened.receive()
    ended: list[Closed] = []

    def read() -> None:
        try:
            opened.receive()
        except Closed as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    opened.close(KEEP_SESSION, "because")
    reader.join(5)
    assert len(ended) == 1
    server.wait(lambda: ("close", {"code": KEEP_SESSION, "reason": "because"}) in server.notes)
    with pytest.raises(Closed):
        opened.send(b"{}")


def test_the_close_of_the_server_carries_its_code(server: ScriptedGateway, opened: GatewaySocket) -> None:
    opened.receive()
    server.close(4009)
    with pytest.raises(Closed) as error:
        opened.receive()
    assert error.value.close_code == 4009
    assert error.value.reason == "scripted"


@pytest.mark.parametrize("url", ["http://127.0.0.1/x", "wss://", "nonsense"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(TransportError):
        GatewaySocket.open(url, Direct(), "none")


def test_a_refused_handshake_and_a_redirect_are_errors(server: ScriptedGateway) -> None:
    with pytest.raises(TransportError, match="Failed to connect to Discord gateway"):
        GatewaySocket.open(f"ws://127.0.0.1:{server.port}/api/v10/gateway/bot", Direct(), "none")
    with socket.create_server(("127.0.0.1", 0)) as other:

        def redirect() -> None:
            client, _ = other.accept()
            client.recv(4096)
            client.sendall(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n")
            client.close()

        threading.Thread(target=redirect, daemon=True).start()
        with pytest.raises(TransportError):
            GatewaySocket.open(f"ws://127.0.0.1:{other.getsockname()[1]}/", Direct(), "none")


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("wss://gateway.discord.gg/", "wss://gateway.discord.gg/?v=10&encoding=json&compress=zlib-stream"),
        ("wss://x.gg", "wss://x.gg/?v=10&encoding=json&compress=zlib-stream"),
        ("ws://h:1/g?k=1&v=6", "ws://h:1/g?k=1&v=10&encoding=json&compress=zlib-stream"),
    ],
)
def test_the_address_with_its_query(base: str, expected: str) -> None:
    assert gateway_url(base, "zlib-stream") == expected
    assert "compress" not in gateway_url(base, "none")


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20), st.integers(1, 50))
def test_a_guarded_socket_hands_on_every_byte_in_order(pieces: list[bytes], size: int) -> None:
    left, right = socket.socketpair()
    with left, right:
        guarded = GuardedSocket(left, 2.0)
        whole = b"".join(pieces)
        for piece in pieces:
            right.sendall(piece)
        right.shutdown(socket.SHUT_WR)
        got = bytearray()
        while part := guarded.recv(size):
            assert len(part) <= size
            got += part
        assert bytes(got) == whole


def test_a_guarded_socket_times_out_and_wakes_up_at_shutdown() -> None:
    left, right = socket.socketpair()
    with left, right:
        guarded = GuardedSocket(left, 0.05)
        with pytest.raises(TimeoutError):
            guarded.recv(10)
        guarded.settimeout(10.0)
        threading.Timer(0.2, guarded.shutdown, (socket.SHUT_RDWR,)).start()
        assert guarded.recv(10) == b""


def test_text_frames_pass_a_compressed_connection_unchanged(server: ScriptedGateway) -> None:
    """Some servers ignore ``compress``."""
    one = GatewaySocket.open(server.ws_url + "?plain=1", Direct(), "zlib-stream")
    server.wait(lambda: len(server.sockets) == 1)

    def plain() -> Any:
        server.sockets[0].compress = ""
        server.sockets[0].put_text('{"op":11}')

    one.receive()
    server.call(plain)
    assert one.receive() == b'{"op":11}'
    one.close(KEEP_SESSION, "")
    one.release()
    assert decompressor("none").feed(b"x") == b"x"
