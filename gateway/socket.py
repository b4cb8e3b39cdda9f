"""One websocket of the gateway: dialled through the account's transport, read and written here.

The TCP connection is made by :meth:`Transport.open_socket`, the one way out, so the proxy
holds for it as for everything else; the websocket library is only handed the socket and
never follows a redirect or asks the environment. One thread reads; sending is locked, and
bounded in size and number as Discord demands (4096 bytes, 120 in 60 s, of these at most 5
presences in 20 s). Heartbeats, IDENTIFY and RESUME are counted but never wait.
"""

from __future__ import annotations

import contextlib
import socket as sockets
import threading
import time
from collections import deque
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import websocket

from gateway.closing import KEEP_SESSION
from gateway.compression import Compression, StreamBroken, decompressor
from gateway.guarded import GuardedSocket
from shoal import __version__
from shoal.base.errors import ConfigError, ShoalError, TransportError
from shoal.discord.origins import Endpoint
from shoal.discord.troubles import trouble_for

__all__ = ["Closed", "Dialler", "GatewaySocket", "PayloadTooLarge", "gateway_url"]

HANDSHAKE_S = 30.0
MAX_PAYLOAD = 4096
LIMIT = 120
WINDOW_S = 60.0
PRESENCES = 5
PRESENCE_WINDOW_S = 20.0
RESERVE = 10
"""Places of each window kept for heartbeats, IDENTIFY and RESUME."""
USER_TIMEOUT_MS = 45_000
CLOSE_S = 1.0
SEND_S = 20.0


class PayloadTooLarge(ShoalError):
    """A frame beyond 4096 bytes: Discord would close with 4002."""

    code = "gateway-payload-too-large"

    def __init__(self, size: int) -> None:
        self.size = size
        text = f"A gateway command of {size} bytes was not sent; Discord takes at most {MAX_PAYLOAD}."
        super().__init__(text)


class Closed(ShoalError):
    """The connection is over. ``close_code`` is Discord's, ``None`` for a lost connection."""

    code = "gateway-closed"
    retryable = True

    def __init__(self, close_code: int | None, reason: str) -> None:
        self.close_code = close_code
        self.reason = reason
        super().__init__(f"The gateway connection ended ({close_code or 'lost'}) {reason}".strip())


class Dialler(Protocol):
    """What is needed of the transport."""

    def gateway_endpoint(self, url: str) -> Endpoint:
        """Where a gateway address goes; ConfigError: it is not this server's (decision 55)."""
        ...

    def open_socket(self, host: str, port: int, *, tls: bool = True, timeout: float = 10.0) -> sockets.socket:
        """A connected socket through the account's proxy."""
        ...


class _WebSocket(websocket.WebSocket):
    """Answers a close frame with a code that keeps the session; the library would say 1000."""

    def send_close(self, status: int = KEEP_SESSION, reason: str | bytes = b"") -> None:
        super().send_close(status, reason)


def gateway_url(base: str, compression: Compression) -> str:
    """The address with version, encoding and compression; other query parameters are kept."""
    parts = urlsplit(base)
    query = dict(parse_qsl(parts.query)) | {"v": "10", "encoding": "json"}
    query.pop("compress", None)
    if compression != "none":
        query["compress"] = compression
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", urlencode(query), ""))


class GatewaySocket:
    """An open connection. ``receive`` from one thread; the rest from any."""

    def __init__(self, ws: _WebSocket, compression: Compression) -> None:
        self._ws = ws
        self._stream = decompressor(compression)
        self._send_lock = threading.Lock()
        self._sent: deque[float] = deque()
        self._presences: deque[float] = deque()
        self._closing = False
        self._reader: int | None = None
        self._ended = threading.Event()
        self.last_frame = time.monotonic()

    @classmethod
    def open(
        cls, url: str, dialler: Dialler, compression: Compression, *, timeout: float = HANDSHAKE_S
    ) -> GatewaySocket:
        """Dial and shake hands, in ``timeout`` seconds.

        Raises:
            TransportError: the address is not the server's we talk to, or which leg failed; ``ProxyError`` if
                it was the proxy.
        """
        full = gateway_url(url, compression)
        try:
            place = dialler.gateway_endpoint(full)
        except ConfigError as error:
            # READY or /gateway/bot named it: another answer may be better, so it is no end of the process
            raise TransportError(error.message, leg="gateway") from None
        raw = dialler.open_socket(place.host, place.port, tls=place.tls, timeout=timeout)
        ws = _WebSocket(enable_multithread=True, skip_utf8_validation=True)
        try:
            _tune(raw)
            agent = f"User-Agent: DiscordBot (https://github.com/shoal, {__version__})"
            options = {"redirect_limit": 0, "suppress_origin": True, "header": [agent]}
            guarded = GuardedSocket(raw, timeout)
            ws.connect(full, socket=guarded, timeout=timeout, **options)  # type: ignore[no-untyped-call]
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raw.close()
            message = f"Failed to connect to Discord gateway: {_told(error)}."
            row = trouble_for("gateway")
            raise TransportError(message, leg="gateway", fix=row.fix if row else "") from error
        ws.settimeout(SEND_S)
        return cls(ws, compression)

    # -- reading ---------------------------------------------------------------------------------

    def receive(self) -> bytes:
        """JSON bytes of the next message; waits as long as it takes (the heartbeat is the watchdog).

        Raises:
            Closed: the connection is over.
        """
        self._reader = threading.get_ident()
        try:
            while True:
                text = self._receive()
                if text is not None:
                    return text
        except Closed:
            self._ended.set()
            raise

    def _receive(self) -> bytes | None:
        """One message, or ``None`` for a piece of one and for a silence."""
        try:
            opcode, data = self._ws.recv_data()
        except websocket.WebSocketTimeoutException:
            if self._closing:
                raise Closed(None, "closed by us") from None
            return None
        except _BROKEN as error:
            raise Closed(None, _told(error)) from None
        self.last_frame = time.monotonic()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise _closed(data)
        if opcode == websocket.ABNF.OPCODE_TEXT:
            return bytes(data)
        try:
            return self._stream.feed(bytes(data))
        except StreamBroken as error:
            self.close(KEEP_SESSION, "stream damaged")
            raise Closed(None, error.message) from None

    # -- sending ---------------------------------------------------------------------------------

    def send(self, body: bytes) -> None:
        """Send a heartbeat, IDENTIFY or RESUME at once.

        Raises:
            PayloadTooLarge, Closed.
        """
        if len(body) > MAX_PAYLOAD:
            raise PayloadTooLarge(len(body))
        with self._send_lock:
            self._sent.append(time.monotonic())
        try:
            self._ws.send(body, websocket.ABNF.OPCODE_TEXT)
        except _BROKEN as error:
            raise Closed(None, _told(error)) from None

    def send_command(self, body: bytes, *, presence: bool = False) -> float:
        """Send a presence, voice state or member request if the limit allows it now.

        Args:
            presence: it is one; Discord takes five in twenty seconds.

        Returns:
            0 if it was sent, else the seconds to wait before trying again.

        Raises:
            PayloadTooLarge, Closed.
        """
        if len(body) > MAX_PAYLOAD:
            raise PayloadTooLarge(len(body))
        now = time.monotonic()
        with self._send_lock:
            while self._sent and now - self._sent[0] > WINDOW_S:
                self._sent.popleft()
            if len(self._sent) >= LIMIT - RESERVE:
                return WINDOW_S - (now - self._sent[0]) + 0.01
            if presence:
                while self._presences and now - self._presences[0] > PRESENCE_WINDOW_S:
                    self._presences.popleft()
                if len(self._presences) >= PRESENCES:
                    return PRESENCE_WINDOW_S - (now - self._presences[0]) + 0.01
                self._presences.append(now)
        self.send(body)
        return 0.0

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, wait a second for the answer, end the connection. Safe to call twice.

        The wait is what lets the frame arrive: ending a TCP connection with unread bytes resets it.
        """
        with self._send_lock:
            if self._closing:
                return
            self._closing = True
        with contextlib.suppress(*_BROKEN):
            self._ws.settimeout(CLOSE_S)
            self._ws.send_close(code, reason.encode()[:120])
            if self._reader == threading.get_ident():
                self._drain()
            elif self._reader is not None:
                self._ended.wait(CLOSE_S)
        with contextlib.suppress(*_BROKEN):
            if self._ws.sock is not None:
                self._ws.sock.shutdown(sockets.SHUT_RDWR)

    def _drain(self) -> None:
        deadline = time.monotonic() + CLOSE_S
        while time.monotonic() < deadline:
            frame = self._ws.recv_frame()  # type: ignore[no-untyped-call]
            if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
                return

    def release(self) -> None:
        """Free the descriptor; the reader calls it when it is done."""
        self._ws.shutdown()  # type: ignore[no-untyped-call]


# AttributeError and ValueError: the library's socket is None or closed under another thread
_BROKEN = (websocket.WebSocketException, OSError, ValueError, AttributeError)


def _closed(data: bytes) -> Closed:
    if len(data) < 2:
        return Closed(None, "closed without a code")
    return Closed(int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace")[:240])


def _told(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".replace("\n", " ")[:240].strip()


def _tune(raw: sockets.socket) -> None:
    """Notice a peer that is gone even while nothing is sent."""
    if raw.family not in (sockets.AF_INET, sockets.AF_INET6):
        return  # an https proxy's tunnel ends in a socket pair, which knows no such options
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
    if hasattr(sockets, "TCP_USER_TIMEOUT"):
        raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
