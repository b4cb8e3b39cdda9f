"""TLS inside TLS: an ``https`` proxy's tunnel as an ordinary socket.

Python can wrap a socket in TLS only by its file descriptor, so the tunnel of an ``https``
proxy (itself TLS) cannot be wrapped again, and the memory-BIO way gives an object that is
no socket (no select, not safe for a reader and a writer at once), which a websocket needs.
Here one thread per connection pumps between the TLS tunnel and one end of a socket pair;
the other end is handed out and behaves like any TCP socket.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading

__all__ = ["bridge"]

_CHUNK = 65_536
_HIGH = 262_144


def bridge(tunnel: ssl.SSLSocket) -> socket.socket:
    """A socket that carries what goes through ``tunnel``; closing it closes the tunnel."""
    timeout = tunnel.gettimeout()
    outer, inner = socket.socketpair()
    tunnel.setblocking(False)
    inner.setblocking(False)
    outer.settimeout(timeout)
    threading.Thread(target=_Pump(tunnel, inner).run, name="shoal-tls-bridge", daemon=True).start()
    return outer


class _Pump:
    """Both directions of one connection; ends when either side ends."""

    def __init__(self, tunnel: ssl.SSLSocket, inner: socket.socket) -> None:
        self._tunnel = tunnel
        self._inner = inner
        self._up = bytearray()  # towards the proxy
        self._down = bytearray()  # towards our side
        self._inner_done = False
        self._tunnel_done = False
        self._tunnel_wants_write = False

    def run(self) -> None:
        """Pump until both sides are done. Errors of the network end it; both sides then see a close."""
        try:
            while self._step():
                self._wait()
        except OSError:
            pass  # the other end of the pair sees the close and reports it as its own error
        finally:
            for sock in (self._inner, self._tunnel):
                with contextlib.suppress(OSError):
                    sock.close()

    def _step(self) -> bool:
        """Move what can be moved without waiting. False when there is nothing left to carry."""
        self._read_inner()
        self._write_tunnel()
        self._read_tunnel()
        self._write_inner()
        if self._tunnel_done:
            return bool(self._down)
        return not (self._inner_done and not self._up)

    def _wait(self) -> None:
        readable: list[socket.socket] = []
        writable: list[socket.socket] = []
        if not self._inner_done and len(self._up) < _HIGH:
            readable.append(self._inner)
        if self._down:
            writable.append(self._inner)
        if not self._tunnel_done:
            if len(self._down) < _HIGH:
                readable.append(self._tunnel)
            if self._up or self._tunnel_wants_write:
                writable.append(self._tunnel)
        poller = select.poll()
        for sock in {*readable, *writable}:
            mask = (select.POLLIN if sock in readable else 0) | (select.POLLOUT if sock in writable else 0)
            poller.register(sock, mask)
        poller.poll()

    def _read_inner(self) -> None:
        while not self._inner_done and len(self._up) < _HIGH:
            try:
                data = self._inner.recv(_CHUNK)
            except BlockingIOError:
                return
            self._inner_done = not data
            self._up += data

    def _write_inner(self) -> None:
        while self._down:
            try:
                del self._down[: self._inner.send(self._down)]
            except BlockingIOError:
                return

    def _read_tunnel(self) -> None:
        while not self._tunnel_done and len(self._down) < _HIGH:
            try:
                data = self._tunnel.recv(_CHUNK)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLWantWriteError:
                self._tunnel_wants_write = True
                return
            self._tunnel_done = not data
            self._down += data

    def _write_tunnel(self) -> None:
        self._tunnel_wants_write = False
        while self._up and not self._tunnel_done:
            try:
                # bytes, not the bytearray: a retried TLS write must see the same buffer
                del self._up[: self._tunnel.send(bytes(self._up[:_CHUNK]))]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
