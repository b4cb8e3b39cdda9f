"""The HTTP client under the model SDKs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shoal.base.proxy import Proxy
from workers.agent.providers.http import model_http_client

TURNS = 32


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 2 * TURNS


@pytest.fixture
def slow_model() -> Iterator[str]:
    """A server (or http proxy) that answers nobody before ``TURNS`` callers wait at the same time."""
    together = threading.Barrier(TURNS)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            together.wait(timeout=25)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("through", ["direct", "http proxy"])
def test_every_turn_of_a_process_can_wait_for_its_model_at_the_same_time(
    slow_model: str, through: str
) -> None:
    """No turn fails because others are thinking: the pool of connections has no limit of its own."""
    port = int(slow_model.rpartition(":")[2])
    proxy = Proxy("http", "127.0.0.1", port, source="test") if through == "http proxy" else None
    url = slow_model if proxy is None else "http://model.example"
    with model_http_client(proxy) as client, ThreadPoolExecutor(TURNS) as pool:
        statuses = list(pool.map(lambda _: client.get(f"{url}/").status_code, range(TURNS)))
    assert statuses == [200] * TURNS
