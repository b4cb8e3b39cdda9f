"""Proxies: HTTP (CONNECT, absolute form; plain or over TLS) and SOCKS5, with or without credentials.

They leave from 127.0.0.2, so a server can tell what came through them, and they alone know
what ``*.discord.test`` means, so a name resolved anywhere else does not resolve at all.
"""

from __future__ import annotations

import base64
import contextlib
import select
import socket
from urllib.parse import urlsplit

from tests.discord.support.net import PROXY_ADDRESS, SERVER_ADDRESS, TcpServer


class Refused(Exception):
    """The proxy does not serve this client."""


class ProxyServer(TcpServer):
    """One proxy. ``targets`` are the host:port texts clients asked for, names as they were sent."""

    def __init__(
        self,
        kind: str,
        *,
        user: str | None = None,
        password: str | None = None,
        refuse: int | None = None,
        silent: bool = False,
    ) -> None:
        self.kind = kind
        self.user, self.password = user, password
        self.refuse = refuse
        self.silent = silent
        self.targets: list[str] = []
        super().__init__(PROXY_ADDRESS, tls=kind == "https")

    def url(self, *, user: str | None = None, password: str | None = None, host: str = "") -> str:
        """URL of the proxy; credentials as given, already encoded."""
        scheme = {"http": "http", "https": "https"}.get(self.kind, self.kind)
        who = f"{user}:{password}@" if user is not None else ""
        return f"{scheme}://{who}{host or self.host}:{self.port}"

    def serve(self, sock: socket.socket) -> None:
        """Handshake, then pump."""
        if self.silent:
            sock.recv(65_536)
            sock.recv(65_536)  # says nothing until the client gives up
            return
        try:
            onward = self._socks(sock) if self.kind.startswith("socks") else self._connect(sock)
        except Refused:
            _linger(sock)
            return
        with onward:
            _pump(sock, onward)

    def _connect(self, sock: socket.socket) -> socket.socket:
        head = b""
        while b"\r\n\r\n" not in head:
            data = sock.recv(4096)
            if not data:
                raise Refused
            head += data
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:] if ":" in line
        }
        if self.user is not None:
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            if headers.get("proxy-authorization") != f"Basic {wanted}":
                sock.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
                raise Refused
        method, address, _ = lines[0].split(" ", 2)
        url = urlsplit(address) if method != "CONNECT" else None
        target = f"{url.hostname}:{url.port or 80}" if url else address
        self.targets.append(target)
        if self.refuse is not None:
            sock.sendall(f"HTTP/1.1 {self.refuse} Nope\r\nContent-Length: 0\r\n\r\n".encode())
            raise Refused
        host, _, port = target.rpartition(":")
        try:
            onward = _onward(host.strip("[]"), int(port))
        except OSError:
            sock.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            raise Refused from None
        if url is None:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:  # plain http: the request goes on with its path only, one for each connection
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            kept = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))]
            request = [f"{method} {path} HTTP/1.1", "Connection: close", *kept]
            onward.sendall("\r\n".join(request).encode("latin-1"))
        return onward

    def _socks(self, sock: socket.socket) -> socket.socket:
        _, count = _exactly(sock, 2)
        offered = _exactly(sock, count)
        wanted = 2 if self.user is not None else 0
        if wanted not in offered:
            sock.sendall(b"\x05\xff")
            raise Refused
        sock.sendall(bytes([5, wanted]))
        if wanted == 2:
            user = _exactly(sock, _exactly(sock, 2)[1]).decode()
            password = _exactly(sock, _exactly(sock, 1)[0]).decode()
            good = (user, password) == (self.user, self.password)
            sock.sendall(b"\x01" + (b"\x00" if good else b"\x01"))
            if not good:
                raise Refused
        kind = _exactly(sock, 4)[3]
        if kind == 3:
            host = _exactly(sock, _exactly(sock, 1)[0]).decode()
        else:
            host = socket.inet_ntop(
                socket.AF_INET if kind == 1 else socket.AF_INET6, _exactly(sock, 4 if kind == 1 else 16)
            )
        port = int.from_bytes(_exactly(sock, 2), "big")
        self.targets.append(f"{host}:{port}")
        if self.refuse is not None:
            sock.sendall(bytes([5, self.refuse, 0, 1, 0, 0, 0, 0, 0, 0]))
            raise Refused
        try:
            onward = _onward(host, port)
        except OSError:
            sock.sendall(b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
            raise Refused from None
        sock.sendall(b"\x05\x00\x00\x03\x04name\x00\x00")
        return onward


def _onward(host: str, port: int) -> socket.socket:
    address = SERVER_ADDRESS if host.endswith("discord.test") else host
    if not address.replace(".", "").isdigit():
        raise OSError("unknown name")
    return socket.create_connection((address, port), timeout=5, source_address=(PROXY_ADDRESS, 0))


def _linger(sock: socket.socket) -> None:
    """Close so that what was said last arrives: unread bytes would turn the close into a reset."""
    with contextlib.suppress(OSError):
        if not hasattr(sock, "pending"):
            sock.shutdown(socket.SHUT_WR)
        sock.settimeout(1.0)
        while sock.recv(65_536):
            pass


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise Refused
        data += more
    return data


def _pump(one: socket.socket, other: socket.socket) -> None:
    ends = {one: other, other: one}
    while True:
        pending = [one] if hasattr(one, "pending") and one.pending() else []
        for source in pending or select.select(list(ends), [], [], 30)[0]:
            data = source.recv(65_536)
            if not data:
                return
            ends[source].sendall(data)
