"""A threaded TCP server that remembers who connected, and the certificates of the tests."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

HERE = Path(__file__).parent
AUTHORITY = HERE / "authority.pem"
"""Authority of the tests; its key was thrown away. Not trusted by anything else."""

SERVER_ADDRESS = "127.0.0.3"
PROXY_ADDRESS = "127.0.0.2"


def server_context() -> ssl.SSLContext:
    """TLS for ``*.discord.test``, ``proxy.test`` and the addresses above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "server.pem")
    return context


class TcpServer:
    """Accepts in a thread, serves each connection in a thread of its own."""

    def __init__(self, address: str, *, tls: bool = False) -> None:
        self._context = server_context() if tls else None
        self.host, self.port = address, 0
        self.sources: list[str] = []
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.listen()

    def listen(self) -> None:
        """Serve; after :meth:`close` again, on the same port."""
        self._listener = socket.create_server((self.host, self.port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, peer = listener.accept()
            except (OSError, ValueError):
                return
            with self._lock:
                self.sources.append(peer[0])
                self._open.append(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.append(sock)
            self.serve(sock)
        except (OSError, ValueError):
            pass  # a client that goes away is a normal end here
        finally:
            with contextlib.suppress(OSError):
                sock.close()

    def serve(self, sock: socket.socket) -> None:
        """One connection, until it ends."""
        raise AssertionError("a subclass serves")

    def close(self) -> None:
        """Stop listening and cut every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    sock.close()
            self._open.clear()

    def __enter__(self) -> TcpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port(address: str = PROXY_ADDRESS) -> int:
    """A port on which nothing listens."""
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])
