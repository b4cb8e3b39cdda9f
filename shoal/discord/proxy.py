"""Dialling: every TCP connection to Discord is opened here, through the proxy if there is one.

REST connections, downloads and websockets all come from :func:`dial`. With a proxy, the only
address this process ever connects to is the proxy's; the target's name is handed to the proxy
and not resolved here (rule R34). There is no fallback to a direct connection: a proxy that
cannot be used is a :class:`~shoal.base.errors.ProxyError` that says which leg failed.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import certifi

from shoal.base.errors import ConfigError, ProxyError, TransportError
from shoal.base.proxy import Proxy
from shoal.discord.bridge import bridge
from shoal.discord.handshakes import HandshakeFailed, http_connect, socks5_dial
from shoal.discord.troubles import trouble_for

__all__ = ["dial", "proxy_for", "tls_context"]


_SLOW_FIX = (
    "Check the proxy's own way out. If it never answers, check the scheme: http:// for an HTTP proxy, "
    "socks5h:// for a SOCKS proxy."
)


def proxy_for(host: str, port: int, proxy: Proxy | None) -> Proxy | None:
    """The proxy for this host: None where ``no_proxy`` of the environment exempts it (decision 19)."""
    return None if proxy is not None and proxy.exempts(host, port) else proxy


def tls_context(ca_file: str | Path | None = None, *, of_machine: bool = False) -> ssl.SSLContext:
    """Verification on, TLS 1.2 or newer, certifi's authorities and those of ``ca_file`` besides.

    All who ask for the same authorities get the same context (reading them takes 15 to 30 ms); a file that
    was written meanwhile is read again. Don't change what you get.

    Args:
        ca_file: PEM bundle trusted besides.
        of_machine: trust the operating system's authorities too.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    if not ca_file:
        return _context(None, 0, of_machine)
    try:
        return _context(str(ca_file), Path(ca_file).stat().st_mtime_ns, of_machine)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"channels.discord.proxyCaFile: {str(ca_file)!r} cannot be used ({error}).",
            fix="Give a readable PEM file with the certificate of the authority.",
        ) from None


@functools.lru_cache(maxsize=16)
def _context(ca_file: str | None, _written_ns: int, of_machine: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    if of_machine:
        context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def dial(
    host: str,
    port: int,
    proxy: Proxy | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = 10.0,
    proxy_tls: ssl.SSLContext | None = None,
    addresses: Sequence[str] | None = None,
) -> socket.socket:
    """A connected socket to ``host:port``, through ``proxy`` unless that is None. Never direct otherwise.

    Args:
        tls: wrap the connection with this context; None gives the plain tunnel.
        timeout: seconds for all of it; stays set on the socket.
        proxy_tls: verifies an ``https`` proxy's own certificate; ``tls`` or the usual authorities if None.
        addresses: what the host's name resolved to: it is not resolved again where that happens here.

    Raises:
        ProxyError: ``leg`` says where: ``proxy-dns``, ``proxy-connect``, ``proxy-connect-timeout``,
            ``proxy-tls``, ``proxy-auth``, ``proxy-refused``, ``proxy-protocol``, ``dns`` (only ``socks5``).
        TransportError: a direct connection (``dns``, ``connect``, ``connect-timeout``) or TLS with the
            host (``tls``).
    """
    deadline = time.monotonic() + timeout
    if proxy is None:
        sock = _connect(host, port, deadline, None, f"{host}:{port}", addresses)
    else:
        sock = _tunnel(host, port, proxy, deadline, proxy_tls or tls, addresses)
    try:
        if tls is not None:
            sock.settimeout(_left(deadline))
            sock = _wrap(sock, host, port, tls, proxy)
        sock.settimeout(timeout)
    except BaseException:
        sock.close()
        raise
    return sock


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _fail(proxy: Proxy | None, leg: str, message: str, *, fix: str = "") -> TransportError:
    row = trouble_for(leg)
    fix = fix or (row.fix if row else "")
    if proxy is None:
        return TransportError(message, leg=leg, fix=fix)
    place = proxy.source.split(":", 1)[-1]
    return ProxyError(message, leg=leg, fix=f"{fix} The proxy comes from {place}." if place else fix)


def _connect(
    host: str,
    port: int,
    deadline: float,
    proxy: Proxy | None,
    name: str,
    addresses: Sequence[str] | None = None,
) -> socket.socket:
    """TCP to the proxy, or to the host where there is none. IPv4 first: broken IPv6 is common."""
    prefix = "proxy-" if proxy else ""
    what = f"the proxy {name}" if proxy else name
    try:
        found = [
            entry
            for place in (addresses or [host])
            for entry in socket.getaddrinfo(place, port, type=socket.SOCK_STREAM)
        ]
    except (OSError, UnicodeError) as error:
        raise _fail(
            proxy, f"{prefix}dns", f"The name of {what} cannot be resolved (ENOTFOUND: {error})."
        ) from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    last: OSError | None = None
    for index, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline) / (len(found) - index))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return sock
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
    if isinstance(last, ConnectionRefusedError):
        raise _fail(proxy, f"{prefix}connect", f"Nothing listens at {what} (ECONNREFUSED).") from None
    if isinstance(last, TimeoutError):
        raise _fail(
            proxy, f"{prefix}connect-timeout", f"{what[:1].upper()}{what[1:]} did not answer (ETIMEDOUT)."
        ) from None
    raise _fail(proxy, f"{prefix}connect", f"No connection to {what} ({last}).") from None


def _tunnel(
    host: str,
    port: int,
    proxy: Proxy,
    deadline: float,
    proxy_tls: ssl.SSLContext | None,
    addresses: Sequence[str] | None,
) -> socket.socket:
    """A tunnel to ``host:port`` that the proxy opened."""
    name = proxy.masked()
    target = host
    if proxy.scheme == "socks5":
        target = addresses[0] if addresses else _resolve_here(host, port, proxy)
    sock: socket.socket | None = None
    try:
        if proxy.scheme in ("http", "https"):
            sock = _connect(proxy.host, proxy.port, deadline, proxy, name)
            sock.settimeout(_left(deadline))
            if proxy.scheme == "https":
                sock = _wrap_proxy(sock, proxy, proxy_tls or tls_context())
            http_connect(sock, target, port, proxy)
            return bridge(sock) if isinstance(sock, ssl.SSLSocket) else sock
        return socks5_dial(target, port, proxy, timeout=_left(deadline))
    except HandshakeFailed as error:
        _close(sock)
        raise _fail(proxy, error.leg, f"The proxy {name} {error}.") from None
    except TimeoutError:
        _close(sock)
        raise _fail(
            proxy,
            "proxy-connect-timeout",
            f"The proxy {name} opened no tunnel to {host}:{port} in time (ETIMEDOUT).",
            fix=_SLOW_FIX,
        ) from None
    except UnicodeError:
        _close(sock)
        raise _fail(proxy, "proxy-protocol", f"{host!r} is no host name.") from None
    except OSError as error:
        _close(sock)
        raise _fail(
            proxy, "proxy-protocol", f"The proxy {name} broke off while opening a tunnel ({error})."
        ) from None
    except BaseException:
        _close(sock)
        raise


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()


def _resolve_here(host: str, port: int, proxy: Proxy) -> str:
    """``socks5`` without h: the operator asked for names to resolve on this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _fail(proxy, "dns", f"The name {host} cannot be resolved here (ENOTFOUND: {error}).") from None
    return str(found[0][4][0])


def _wrap_proxy(sock: socket.socket, proxy: Proxy, context: ssl.SSLContext) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(sock, server_hostname=proxy.host)
    except TimeoutError:
        raise
    except (ssl.SSLError, OSError) as error:
        raise _fail(
            proxy,
            "proxy-tls",
            f"TLS with the proxy {proxy.masked()} failed ({_tls_reason(error)}).",
            fix=""
            if isinstance(error, ssl.SSLCertVerificationError)
            else "Is it an http proxy? Then write http://.",
        ) from None


def _wrap(
    sock: socket.socket, host: str, port: int, context: ssl.SSLContext, proxy: Proxy | None
) -> socket.socket:
    through = f" through the proxy {proxy.masked()}" if proxy else ""
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except (ssl.SSLError, OSError) as error:
        with contextlib.suppress(OSError):
            sock.close()
        raise _fail(proxy, "tls", f"TLS with {host}:{port}{through} failed ({_tls_reason(error)}).") from None


def _tls_reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    return str(getattr(error, "reason", None) or error) or type(error).__name__
