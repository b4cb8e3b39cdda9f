"""The HTTP client under the model SDKs: one explicit proxy, no environment, and a watch.

The SDKs block in ``recv`` for as long as a model thinks. Our network backend waits in
short slices instead and calls the watch of the running call in between, so a stop, a
shutdown or a lost lease ends a silent call within a quarter of a second, on the turn's own
thread and without leaking one. The watch is bound per thread by :func:`watching`.

Proxies: http and https by CONNECT (forwarded for plain-http targets), socks5(h) through
PySocks, names resolved at the proxy unless the config says otherwise. There is no direct fallback.
"""

from __future__ import annotations

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

from shoal.base.proxy import Proxy

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


class _SocksStream(httpcore2.NetworkStream):
    """A socket that PySocks has connected."""

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
            return _SocksStream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
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
    """Dials directly or through a SOCKS proxy, and hands out watched streams."""

    def __init__(self, socks: Proxy | None) -> None:
        self._socks = socks
        self._direct = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        if self._socks is None:
            inner = self._direct.connect_tcp(host, port, timeout, local_address, socket_options)
            return _WatchedStream(inner)
        return _WatchedStream(_SocksStream(_dial_socks(self._socks, host, port, timeout)))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[_SocketOption] | None = None
    ) -> httpcore2.NetworkStream:
        del timeout, socket_options
        raise httpcore2.ConnectError(f"model servers are not reached over unix sockets: {path}")


def _dial_socks(proxy: Proxy, host: str, port: int, timeout: float | None) -> socket.socket:
    import socks

    sock = socks.socksocket(socket.AF_INET6 if ":" in proxy.host else socket.AF_INET)
    password = proxy.password.get_secret_value() if proxy.password else None
    sock.set_proxy(
        socks.SOCKS5,
        proxy.host,
        proxy.port,
        rdns=proxy.scheme != "socks5",  # plain socks5 only comes with proxyDns: "local"
        username=proxy.username,
        password=password,
    )
    try:
        sock.settimeout(timeout)
        sock.connect((host, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError as error:
        sock.close()
        raise httpcore2.ConnectTimeout(str(error)) from error
    except (socks.ProxyError, OSError) as error:
        sock.close()
        raise httpcore2.ProxyError(f"proxy {proxy.host}:{proxy.port}: {error}") from error
    opened: socket.socket = sock
    return opened


class _Transport(httpx2.BaseTransport):
    """httpx's transport on a pool that uses our backend (httpx itself offers no way to give one)."""

    def __init__(self, proxy: Proxy | None, ssl_context: ssl.SSLContext) -> None:
        socks = proxy if proxy is not None and proxy.scheme.startswith("socks") else None
        backend = _WatchedBackend(socks)
        self._pool: httpcore2.ConnectionPool
        if proxy is None or socks is not None:
            self._pool = httpcore2.ConnectionPool(
                ssl_context=ssl_context,
                max_connections=CONNECTIONS,
                max_keepalive_connections=IDLE_CONNECTIONS,
                keepalive_expiry=30,
                network_backend=backend,
            )
            return
        password = proxy.password.get_secret_value() if proxy.password else ""
        auth = (proxy.username, password) if proxy.username is not None else None
        host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
        self._pool = httpcore2.HTTPProxy(
            proxy_url=f"{proxy.scheme}://{host}:{proxy.port}/",
            proxy_auth=auth,
            proxy_ssl_context=ssl_context if proxy.scheme == "https" else None,
            ssl_context=ssl_context,
            max_connections=CONNECTIONS,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=30,
            network_backend=backend,
        )

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
        with map_httpcore_exceptions():
            answer = self._pool.handle_request(core)
        assert isinstance(answer.stream, Iterable)
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=ResponseStream(answer.stream),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


def model_http_client(
    proxy: Proxy | None, *, idle_s: float = 120.0, ca_file: str | None = None
) -> httpx2.Client:
    """A client for one provider.

    Args:
        proxy: the only way out, or none for direct connections.
        idle_s: longest silence while an answer is awaited.
        ca_file: CA bundle instead of the system's.
    """
    context = ssl.create_default_context(cafile=ca_file)
    return httpx2.Client(
        transport=_Transport(proxy, context),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(connect=CONNECT_S, read=idle_s, write=30.0, pool=10.0),
    )
