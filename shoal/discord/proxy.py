"""Dialling: every TCP connection to Discord is opened here, through the proxy if there is one."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from shoal.base.proxy import Proxy, parse_proxy

__all__ = ["Proxy", "ProxyLike", "dial", "parse_proxy", "tls_context"]


class ProxyLike(Protocol):
    """What dialling needs to know of a proxy; ``shoal.base.proxy.Proxy`` has it."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> SecretStr | None: ...
    @property
    def source(self) -> str: ...
    @property
    def no_proxy(self) -> tuple[str, ...]: ...
    def masked(self) -> str: ...


def tls_context(ca_file: str | Path | None = None) -> ssl.SSLContext:
    """Verification on, TLS 1.2 or newer, certifi's authorities and those of ``ca_file`` besides.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    raise NotImplementedError


def dial(
    host: str,
    port: int,
    proxy: ProxyLike | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = 10.0,
    ca_file: str | Path | None = None,
) -> socket.socket:
    """A connected socket to ``host:port``, through ``proxy`` unless that is None. Never direct otherwise.

    Args:
        tls: wrap the connection with this context; None gives the plain tunnel.
        timeout: seconds for all of it; stays set on the socket.
        ca_file: besides certifi for an ``https`` proxy's own certificate.

    Raises:
        ProxyError: ``leg`` says where: ``proxy-dns``, ``proxy-connect``, ``proxy-tls``, ``proxy-auth``,
            ``proxy-refused``, ``proxy-protocol``.
        TransportError: direct connection or TLS with the host: ``dns``, ``connect``, ``tls``.
    """
    raise NotImplementedError
