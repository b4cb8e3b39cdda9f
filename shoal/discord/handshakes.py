"""What is said to a proxy before the tunnel is ours: HTTP CONNECT (RFC 9110) and SOCKS5 (RFC 1928, 1929).

Written here instead of taken from a library because two things matter: which *leg* failed,
told apart exactly, and that a name is never resolved on this side by accident.
"""

from __future__ import annotations

import ipaddress
import socket
from base64 import b64encode
from typing import Protocol

from pydantic import SecretStr

__all__ = ["HandshakeFailed", "http_connect", "socks5_connect"]

_MAX_HEAD = 16_384
_SOCKS_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable from the proxy",
    4: "host unreachable from the proxy (or its name does not resolve there)",
    5: "connection refused by the host",
    6: "time ran out",
    7: "command not supported",
    8: "address type not supported",
}


class HandshakeFailed(Exception):
    """The proxy did not give a tunnel. ``leg``: ``proxy-auth``, ``proxy-refused`` or ``proxy-protocol``."""

    def __init__(self, leg: str, message: str) -> None:
        self.leg = leg
        super().__init__(message)


class _Who(Protocol):
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> SecretStr | None: ...


def _credentials(proxy: _Who) -> tuple[str, str] | None:
    if proxy.username is None and proxy.password is None:
        return None
    return proxy.username or "", proxy.password.get_secret_value() if proxy.password else ""


def http_connect(sock: socket.socket, host: str, port: int, proxy: _Who) -> None:
    """Ask an HTTP proxy for a tunnel to ``host:port``; the name travels as it is."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "User-Agent: Shoal"]
    credentials = _credentials(proxy)
    if credentials:
        token = b64encode(":".join(credentials).encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {token}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode("utf-8"))
    head = _read_head(sock)
    status = _status_of(head)
    if status == 407:
        said = "refused the user name and password" if credentials else "wants a user name and password"
        raise HandshakeFailed("proxy-auth", f"{said} (407)")
    if not 200 <= status < 300:
        reason = head.split(b"\r\n", 1)[0].decode("latin-1")[:120]
        raise HandshakeFailed("proxy-refused", f"does not open a tunnel to {target} ({reason})")


def _read_head(sock: socket.socket) -> bytes:
    """The answer's head, byte by byte: what follows belongs to the tunnel."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            what = (
                "closed the connection" if not head else "closed the connection in the middle of its answer"
            )
            raise HandshakeFailed("proxy-protocol", f"{what}; is it a SOCKS proxy?")
        head += byte
        if len(head) > _MAX_HEAD or (len(head) == 5 and head != b"HTTP/"):
            raise HandshakeFailed(
                "proxy-protocol", "does not answer like an HTTP proxy; is it a SOCKS proxy?"
            )
    return bytes(head)


def _status_of(head: bytes) -> int:
    parts = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(parts) < 2 or len(parts[1]) != 3 or not parts[1].isdigit():
        raise HandshakeFailed("proxy-protocol", "does not answer like an HTTP proxy")
    return int(parts[1])


def socks5_connect(sock: socket.socket, host: str, port: int, proxy: _Who) -> None:
    """Ask a SOCKS5 proxy for a connection. A name travels as a name; an address as an address."""
    credentials = _credentials(proxy)
    methods = b"\x00\x02" if credentials else b"\x00"
    sock.sendall(b"\x05" + bytes([len(methods)]) + methods)
    version, method = _exactly(sock, 2)
    if version != 5:
        raise HandshakeFailed("proxy-protocol", "does not answer like a SOCKS5 proxy; is it an HTTP proxy?")
    if method == 2 and credentials:
        _socks_login(sock, credentials)
    elif method != 0:
        said = (
            "refused to go on without other credentials" if credentials else "wants a user name and password"
        )
        raise HandshakeFailed("proxy-auth", said)
    sock.sendall(b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    version, reply, _, kind = _exactly(sock, 4)
    if version != 5:
        raise HandshakeFailed("proxy-protocol", "does not answer like a SOCKS5 proxy")
    if reply != 0:
        meaning = _SOCKS_REPLIES.get(reply, "unknown reason")
        raise HandshakeFailed(
            "proxy-refused", f"does not connect to {host}:{port}: {meaning} (reply {reply})"
        )
    length = {1: 4, 4: 16}.get(kind) or (_exactly(sock, 1)[0] if kind == 3 else 0)
    _exactly(sock, length + 2)


def _socks_login(sock: socket.socket, credentials: tuple[str, str]) -> None:
    user, password = (part.encode("utf-8") for part in credentials)
    if len(user) > 255 or len(password) > 255:
        raise HandshakeFailed("proxy-auth", "cannot take a user name or password of more than 255 bytes")
    sock.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
    if _exactly(sock, 2)[1] != 0:
        raise HandshakeFailed("proxy-auth", "refused the user name and password")


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise HandshakeFailed("proxy-protocol", "closed the connection; are scheme and port right?")
        data += more
    return bytes(data)
