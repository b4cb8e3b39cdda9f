"""A socket that one thread may read while another writes, TLS included.

OpenSSL allows one thread at a time inside a connection, and Python before 3.13 does not see
to it. Here every call into the socket is short, non-blocking and under one lock; waiting
happens outside, in ``poll``. Reads are taken in large pieces, since the websocket library
asks for two bytes at a time.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time

__all__ = ["GuardedSocket"]

CHUNK = 64 * 1024


class GuardedSocket:
    """What the websocket library uses of a socket. ``recv`` from one thread only."""

    def __init__(self, raw: socket.socket, timeout: float | None) -> None:
        raw.setblocking(False)
        self._raw = raw
        self._timeout = timeout
        self._lock = threading.Lock()
        self._read = bytearray()

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end. Raises TimeoutError."""
        if not self._read:
            deadline = self._deadline()
            while True:
                with self._lock:
                    try:
                        piece = self._raw.recv(CHUNK)
                        break
                    except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
                        wanted = select.POLLIN
                    except ssl.SSLWantWriteError:
                        wanted = select.POLLOUT
                    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                        return b""
                self._wait(wanted, deadline)
            if not piece:
                return b""
            self._read += piece
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    def send(self, data: bytes) -> int:
        """Send some of ``data``; the number of bytes that left. Raises TimeoutError."""
        deadline = self._deadline()
        while True:
            with self._lock:
                try:
                    return self._raw.send(data)
                except (ssl.SSLWantWriteError, BlockingIOError, InterruptedError):
                    wanted = select.POLLOUT
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN
            self._wait(wanted, deadline)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _wait(self, wanted: int, deadline: float | None) -> None:
        poller = select.poll()
        poller.register(self._raw.fileno(), wanted)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not poller.poll(left):
            raise TimeoutError("timed out")

    def gettimeout(self) -> float | None:
        """Seconds each call may wait."""
        return self._timeout

    def settimeout(self, timeout: float | None) -> None:
        """Change it for calls to come."""
        self._timeout = timeout

    def fileno(self) -> int:
        """The descriptor."""
        return self._raw.fileno()

    @property
    def _closed(self) -> bool:
        return self._raw.fileno() < 0

    def shutdown(self, how: int) -> None:
        """End the TCP connection in one or both directions; a waiting reader wakes up."""
        # the plain call: SSLSocket.shutdown would forget TLS under the reader
        socket.socket.shutdown(self._raw, how)

    def close(self) -> None:
        """Free the descriptor."""
        with contextlib.suppress(OSError):
            self._raw.close()
