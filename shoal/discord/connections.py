"""``requests`` with our own dialler below it.

urllib3 keeps pools of connections; each of them is opened by the one function given here and
by nothing else. So there is no proxy map that could lack a scheme, no environment that could
win over it, and no second TLS configuration (measured traps: spec fleet 6).
"""

from __future__ import annotations

import http.cookiejar
import socket
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["Dialler", "make_session"]

DEFAULT_TIMEOUT = 10.0


class Dialler(Protocol):
    """Opens a connection, with TLS or without."""

    def __call__(self, host: str, port: int, *, tls: bool, timeout: float) -> socket.socket:
        """A connected socket."""
        ...


def _seconds(timeout: Any) -> float:
    return float(timeout) if isinstance(timeout, int | float) else DEFAULT_TIMEOUT


class _Adapter(HTTPAdapter):
    """An adapter whose connections all come from one dialler."""

    def __init__(self, dialler: Dialler, threads: int) -> None:
        self._dialler = dialler
        super().__init__(pool_connections=8, pool_maxsize=threads, max_retries=0, pool_block=True)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_kwargs: Any) -> None:
        """Pools that dial with our dialler (called by requests)."""
        dialler = self._dialler

        class Plain(HTTPConnection):
            def connect(self) -> None:
                host, port = self.host, self.port or 80
                self.sock = dialler(host, port, tls=False, timeout=_seconds(self.timeout))

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                host, port = self.host, self.port or 443
                self.sock = dialler(host, port, tls=True, timeout=_seconds(self.timeout))
                self.is_verified = True  # the dialler's context verifies always

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def get_connection_with_tls_context(self, request: Any, *_args: Any, **_kwargs: Any) -> Any:
        """The pool of the request's origin; proxies are the dialler's business alone."""
        return self.poolmanager.connection_from_url(request.url)

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing to set: the dialler's context is the only one."""


def make_session(dialler: Dialler, threads: int, headers: dict[str, str]) -> requests.Session:
    """A session that reads no environment, keeps no cookies, and dials with ``dialler``."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(headers)
    adapter = _Adapter(dialler, threads)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
