"""``requests`` with our own dialler below it.

urllib3 keeps pools of connections; each of them is opened by the one function given here and
by nothing else. So there is no proxy map that could lack a scheme, no environment that could
win over it, and no second TLS configuration (measured traps: spec fleet 6).
"""

from __future__ import annotations

import http.client
import http.cookiejar
import io
import socket
import time
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


class _Reader(io.RawIOBase):
    """The bytes of one answer. Ends in time, however slowly they come.

    A socket's own time-out starts anew with each byte, so a server that drips could hold a thread for hours.
    """

    def __init__(self, raw: Any, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        silence = sock.gettimeout()
        self._silence = silence or 0.0
        self._deadline = None if silence is None else time.monotonic() + 2 * silence

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """What is there, or TimeoutError after the silence allowed or at the end of all patience."""
        left = self._left()
        if left is not None:
            self._sock.settimeout(min(self._silence, left))
        try:
            count: int | None = self._raw.readinto(buffer)
            return count
        except TimeoutError as error:
            silent = error
        self._left()  # says so if it was not silence but slowness
        raise silent

    def _left(self) -> float | None:
        """Seconds of patience."""
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer came too slowly")
        return left

    def close(self) -> None:
        """Give the socket back."""
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is read, headers and all, within twice the time-out."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        buffered: Any = self.fp
        self.fp = io.BufferedReader(_Reader(buffered.detach(), sock))


class _Session(requests.Session):
    """Follows no redirect. ``requests`` would read the body of one whole, allowed to follow it or not."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - their signature
        """There is none."""
        return None


class _Adapter(HTTPAdapter):
    """An adapter whose connections all come from one dialler."""

    def __init__(self, dialler: Dialler, threads: int) -> None:
        self._dialler = dialler
        super().__init__(pool_connections=8, pool_maxsize=threads, max_retries=0, pool_block=True)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_kwargs: Any) -> None:
        """Pools that dial with our dialler (called by requests)."""
        dialler = self._dialler

        class Plain(HTTPConnection):
            response_class = _Answer

            def connect(self) -> None:
                host, port = self.host, self.port or 80
                self.sock = dialler(host, port, tls=False, timeout=_seconds(self.timeout))

        class Secure(HTTPSConnection):
            response_class = _Answer

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
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(headers)
    adapter = _Adapter(dialler, threads)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
