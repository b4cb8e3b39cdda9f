"""What is said to a proxy before the tunnel is ours: SOCKS5 by PySocks, HTTP CONNECT (RFC 9110) here.

CONNECT is written here because an ``https`` proxy is spoken to inside TLS, which PySocks cannot,
and because the *leg* that failed must be told apart (407 from 403 from a wrong scheme).
"""

from __future__ import annotations

import socket
from base64 import b64encode
from typing import Protocol

import socks
from pydantic import SecretStr

__all__ = ["HandshakeFailed", "http_connect", "socks5_dial"]

_MAX_HEAD = 16_384
_SOCKS_CREDENTIAL_MAX = 127
"""PySocks writes longer ones wrongly."""


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


class _Proxy(_Who, Protocol):
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


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


def socks5_dial(host: str, port: int, proxy: _Proxy, *, timeout: float) -> socket.socket:
    """A connection to ``host:port`` by a SOCKS5 proxy, made by PySocks.

    A name travels as a name (``rdns``): nothing is resolved on this side. An address travels as an
    address.

    Raises:
        HandshakeFailed: as the class says, or ``proxy-connect``, ``proxy-dns``.
        TimeoutError: the proxy did not answer in time.
    """
    credentials = _credentials(proxy) or ("", "")
    if any(len(part.encode()) > _SOCKS_CREDENTIAL_MAX for part in credentials):
        limit = f"user name or password of more than {_SOCKS_CREDENTIAL_MAX} bytes"
        raise HandshakeFailed("proxy-auth", f"cannot take a {limit}")
    sock = socks.socksocket()
    sock.set_proxy(socks.SOCKS5, proxy.host, proxy.port, True, credentials[0] or None, credentials[1] or None)
    sock.settimeout(timeout)
    try:
        sock.connect((host, port))
    except socks.ProxyError as error:
        sock.close()
        raise _socks_failure(error, f"{host}:{port}", known=bool(credentials[0])) from None
    except BaseException:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected: socket.socket = sock
    return connected


def _socks_failure(error: socks.ProxyError, target: str, *, known: bool) -> Exception:
    """What PySocks reports, as the leg that failed. It wraps its own errors in a general one."""
    if isinstance(error.socket_err, socks.ProxyError):
        error = error.socket_err
    cause = error.socket_err
    if isinstance(cause, TimeoutError):
        return TimeoutError(str(error))
    if isinstance(error, socks.ProxyConnectionError):
        if isinstance(cause, socket.gaierror):
            return HandshakeFailed("proxy-dns", f"has a name that cannot be resolved (ENOTFOUND: {cause})")
        reason = "ECONNREFUSED" if isinstance(cause, ConnectionRefusedError) else cause
        return HandshakeFailed("proxy-connect", f"does not answer: nothing listens there ({reason})")
    if isinstance(error, socks.SOCKS5AuthError):
        said = "refused the user name and password" if known else "wants a user name and password"
        return HandshakeFailed("proxy-auth", said)
    if isinstance(error, socks.SOCKS5Error):
        return HandshakeFailed("proxy-refused", f"does not connect to {target} ({error.msg})")
    if "invalid data" in str(error):
        return HandshakeFailed("proxy-protocol", "does not answer like a SOCKS5 proxy; is it an HTTP proxy?")
    return HandshakeFailed("proxy-protocol", "closed the connection; are scheme and port right?")
