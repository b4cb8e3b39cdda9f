"""A proxy that counts, and small helpers: real sockets for real SDKs."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

from shoal.simulator.models import ModelServer


def bodies(server: ModelServer) -> list[dict[str, Any]]:
    """The bodies of all requests so far, oldest first."""
    return [entry["body"] for entry in server.requests()]


class CountingProxy:
    """An HTTP proxy (CONNECT and absolute form) or a SOCKS5 one; remembers what was asked of it."""

    def __init__(self, kind: str = "http", upstream: tuple[str, int] | None = None) -> None:
        self.kind = kind
        self.upstream = upstream
        self.targets: list[str] = []
        self.auth: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)  # close alone does not wake the accept
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            first = self._socks(client) if self.kind == "socks5h" else self._http(client)
            if first is None:
                client.close()
                return
            upstream, pending = first
            if pending:
                upstream.sendall(pending)
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            _pump(client, upstream)
            back.join(5)
        except OSError:
            client.close()

    def _dial(self, host: str, port: int) -> socket.socket:
        return socket.create_connection(self.upstream or (host, port), timeout=5)

    def _http(self, client: socket.socket) -> tuple[socket.socket, bytes] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return None
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        self.auth += [
            h.split(":", 1)[1].strip() for h in headers if h.lower().startswith("proxy-authorization")
        ]
        method, target, _ = line.split(" ")
        self.targets.append(target)
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            upstream = self._dial(host, int(port))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            return upstream, rest
        url = urlsplit(target)
        upstream = self._dial(url.hostname or "", url.port or 80)
        kept = [h for h in headers if not h.lower().startswith("proxy-")]
        path = url.path + (f"?{url.query}" if url.query else "")
        return upstream, "\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode() + b"\r\n\r\n" + rest

    def _socks(self, client: socket.socket) -> tuple[socket.socket, bytes] | None:
        _, count = client.recv(2)
        methods = client.recv(count)
        if 2 in methods:
            client.sendall(b"\x05\x02")
            client.recv(1)
            user = client.recv(client.recv(1)[0])
            password = client.recv(client.recv(1)[0])
            self.auth.append(f"{user.decode()}:{password.decode()}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        _, _, _, kind = client.recv(4)
        host = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
        port = int.from_bytes(client.recv(2), "big")
        self.targets.append(f"{'name' if kind == 3 else 'address'}:{host}:{port}")
        upstream = self._dial(host, port)
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return upstream, b""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
