"""The HTTP client under the model SDKs: one explicit proxy, no environment, and a watch.

The SDKs block in ``recv`` for as long as a model thinks. Our network backend waits in
short slices instead and calls the watch of the running call in between, so a stop, a
shutdown or a lost lease ends a silent call within a quarter of a second, on the turn's own
thread and without leaking one. The watch is bound per thread by :func:`watching`.

Connections are dialled by :func:`shoal.discord.proxy.dial`, as Discord's are: the same proxies,
the same errors, and no direct fallback. One thing is different: a plain-http address behind an
HTTP proxy is asked of the proxy itself (absolute form), since many allow CONNECT to port 443 only.
"""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore2
import httpx2
from httpx2._transports.default import ResponseStream, map_httpcore_exceptions

from shoal.base.errors import ProxyError, TransportError
from shoal.base.proxy import Proxy
from shoal.discord.proxy import dial, tls_context
from shoal.discord.troubles import trouble_for

__all__ = ["model_http_client", "watching"]

CONNECT_S = 10.0
SLICE_S = 0.25
CONNECTIONS: int | None = None
"""A pool that is full would fail a turn that only had to wait; a process's threads are the bound."""
IDLE_CONNECTIONS = 8
_SocketOption = Any


class _Bound(threading.local):
    watch: Callable[[], None] | None = None


_bound = _Bound()


@contextlib.contextmanager
def watching(watch: Callable[[], None]) -> Iterator[None]:
    """Call ``watch`` from this thread's socket waits for as long as the block runs."""
    before = _bound.watch
    _bound.watch = watch
    try:
        yield
    finally:
        _bound.watch = before


class _WatchedStream(httpcore2.NetworkStream):
    """A socket whose reads look up every quarter of a second."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            if _bound.watch is not None:
                _bound.watch()
            left = SLICE_S if ends is None else min(SLICE_S, ends - time.monotonic())
            try:
                # a TLS read that timed out can be repeated: OpenSSL keeps the half record
                return self._inner.read(max_bytes, max(left, 0.001))
            except httpcore2.ReadTimeout:
                if ends is not None and time.monotonic() >= ends:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _WatchedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Stream(httpcore2.NetworkStream):
    """A socket that the dialler has connected."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._sock.settimeout(timeout)
            return self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._sock.settimeout(timeout)
            self._sock.sendall(buffer)
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            self._sock.settimeout(timeout)
            return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            self.close()
            raise httpcore2.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._sock
        if info == "is_readable":  # the pool asks this of an idle connection: readable means closed
            return bool(select.select([self._sock], [], [], 0)[0])
        return None


class _WatchedBackend(httpcore2.NetworkBackend):
    """Dials as everything else does, and hands out watched streams."""

    def __init__(self, proxy: Proxy | None, tls: ssl.SSLContext) -> None:
        self._proxy = proxy
        self._tls = tls

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        del local_address, socket_options
        try:
            sock = self._dial(host, port, timeout or CONNECT_S)
        except TransportError as error:  # the cause tells `from_sdk` which leg failed and what to do
            raise httpcore2.ConnectError(str(error)) from error
        return _WatchedStream(_Stream(sock))

    def _dial(self, host: str, port: int, timeout: float) -> socket.socket:
        return dial(host, port, self._proxy, timeout=timeout, proxy_tls=self._tls)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[_SocketOption] | None = None
    ) -> httpcore2.NetworkStream:
        del timeout, socket_options
        raise httpcore2.ConnectError(f"model servers are not reached over unix sockets: {path}")


class _ProxyItself(_WatchedBackend):
    """Dials the proxy, which is then asked for plain-http addresses."""

    def __init__(self, proxy: Proxy, tls: ssl.SSLContext) -> None:
        super().__init__(None, tls)
        self._forwarder = proxy

    def _dial(self, host: str, port: int, timeout: float) -> socket.socket:
        del host, port  # the proxy's, by the pool's own account
        proxy = self._forwarder
        try:
            return dial(
                proxy.host, proxy.port, tls=self._tls if proxy.scheme == "https" else None, timeout=timeout
            )
        except TransportError as error:
            raise _proxy_error(
                proxy, f"proxy-{error.leg}", f"No way to the proxy: {error.message}"
            ) from error


def _proxy_error(proxy: Proxy, leg: str, message: str) -> ProxyError:
    row = trouble_for(leg)
    place = proxy.source.split(":", 1)[-1]
    parts = [row.fix if row else "", f"The proxy comes from {place}." if place else ""]
    return ProxyError(message, leg=leg, fix=" ".join(part for part in parts if part))


def _forwarding(proxy: Proxy, backend: _WatchedBackend, limits: dict[str, Any]) -> httpcore2.HTTPProxy:
    headers = []
    if proxy.username is not None or proxy.password is not None:
        password = proxy.password.get_secret_value() if proxy.password else ""
        token = base64.b64encode(f"{proxy.username or ''}:{password}".encode())
        headers.append((b"Proxy-Authorization", b"Basic " + token))
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    # TLS to the proxy, if any, is the backend's business: the pool sees a plain connection
    url = f"http://{host}:{proxy.port}/"
    return httpcore2.HTTPProxy(proxy_url=url, proxy_headers=headers, network_backend=backend, **limits)


class _Transport(httpx2.BaseTransport):
    """httpx's transport on pools that use our backend (httpx itself offers no way to give one)."""

    def __init__(self, proxy: Proxy | None, tls: ssl.SSLContext) -> None:
        limits: dict[str, Any] = {
            "max_connections": CONNECTIONS,
            "max_keepalive_connections": IDLE_CONNECTIONS,
            "keepalive_expiry": 30,
        }
        self._proxy = proxy
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, network_backend=_WatchedBackend(proxy, tls), **limits
        )
        self._forward: httpcore2.HTTPProxy | None = None
        if proxy is not None and proxy.scheme in ("http", "https"):
            self._forward = _forwarding(proxy, _ProxyItself(proxy, tls), limits)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        core = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        forward = self._forward if request.url.scheme == "http" else None
        with map_httpcore_exceptions():
            answer = (forward or self._pool).handle_request(core)
        if forward is not None and answer.status == 407 and self._proxy is not None:
            answer.close()
            message = f"The proxy {self._proxy.masked()} wants another user name and password (407)."
            raise httpx2.ProxyError(message) from _proxy_error(self._proxy, "proxy-auth", message)
        assert isinstance(answer.stream, Iterable)
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=ResponseStream(answer.stream),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()
        if self._forward is not None:
            self._forward.close()


def model_http_client(
    proxy: Proxy | None, *, idle_s: float = 120.0, ca_file: str | None = None
) -> httpx2.Client:
    """A client for one provider.

    Args:
        proxy: the only way out, or none for direct connections.
        idle_s: longest silence while an answer is awaited.
        ca_file: PEM bundle trusted besides the usual authorities.

    Raises:
        ConfigError: ``ca_file`` cannot be used.
    """
    context = tls_context(ca_file, of_machine=True)  # a model server of one's own may have such an authority
    return httpx2.Client(
        transport=_Transport(proxy, context),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(connect=CONNECT_S, read=idle_s, write=30.0, pool=10.0),
    )
