"""A small gateway client of the tests' own, on a raw websocket."""

from __future__ import annotations

import json
import time
import zlib
from types import TracebackType
from typing import Any

import websocket
import zstandard

from shoal.simulator.server import Simulator

ALL_INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))


class Closed(Exception):
    """The server closed the connection; ``code`` is None for a cut."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(str(code))


class Wire:
    """Connects, identifies (unless told not to), remembers ``seq``, ``session_id`` and dispatches."""

    def __init__(
        self,
        simulator: Simulator,
        *,
        token: str | None = None,
        intents: int = ALL_INTENTS,
        compress: str = "",
        resume: Wire | None = None,
        identify: bool = True,
        shard: list[int] | None = None,
        version: int = 10,
    ) -> None:
        query = f"?v={version}&encoding=json" + (f"&compress={compress}" if compress else "")
        self.socket = websocket.create_connection(simulator.gateway_url + query, timeout=10)
        self.token = token or simulator.token
        self.compress = compress
        self.inflater = zlib.decompressobj()
        self.unzstd = zstandard.ZstdDecompressor().decompressobj()
        self.seq: int | None = None
        self.session_id = ""
        self.seen: list[dict[str, Any]] = []
        self.sizes: list[tuple[int, int]] = []
        if resume is not None:
            self.session_id = resume.session_id
            self.hello = self.receive()
            self.send(6, {"token": self.token, "session_id": resume.session_id, "seq": resume.seq})
        elif identify:
            self.hello = self.receive()
            data: dict[str, Any] = {"token": self.token, "intents": intents, "properties": {"os": "linux"}}
            if shard is not None:
                data["shard"] = shard
            self.send(2, data)
            self.wait("READY")

    def send(self, op: int, data: Any) -> None:
        """One frame."""
        self.socket.send(json.dumps({"op": op, "d": data}))

    def receive(self, timeout: float = 10.0) -> dict[str, Any]:
        """The next frame; :class:`Closed` when there is none any more."""
        self.socket.settimeout(timeout)
        try:
            opcode, raw = self.socket.recv_data()
        except websocket.WebSocketTimeoutException:
            raise
        except (websocket.WebSocketConnectionClosedException, ConnectionError) as error:
            raise Closed(None) from error
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise Closed(int.from_bytes(raw[:2], "big") if raw else None)
        if self.compress == "zlib-stream":
            assert raw.endswith(b"\x00\x00\xff\xff")
            text = self.inflater.decompress(raw)
        elif self.compress == "zstd-stream":
            text = self.unzstd.decompress(raw)
        else:
            text = raw
        self.sizes.append((len(raw), len(text)))
        frame: dict[str, Any] = json.loads(text)
        if frame["op"] == 0:
            self.seq = frame["s"]
            self.seen.append(frame)
            if frame["t"] == "READY":
                self.session_id = frame["d"]["session_id"]
        else:
            assert frame.get("s") is None
            assert frame.get("t") is None
        return frame

    def wait(self, name: str, timeout: float = 10.0) -> dict[str, Any]:
        """The next dispatch of that name."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.receive(max(0.1, deadline - time.monotonic()))
            if frame["t"] == name:
                return frame

    def op(self, wanted: int, timeout: float = 10.0) -> dict[str, Any]:
        """The next frame with this opcode."""
        while True:
            frame = self.receive(timeout)
            if frame["op"] == wanted:
                return frame

    def close_code(self, timeout: float = 10.0) -> int | None:
        """Read until the server closes; its code."""
        try:
            while True:
                self.receive(timeout)
        except Closed as closed:
            return closed.code

    def cut(self) -> None:
        """Drop the TCP connection."""
        self.socket.shutdown()

    def leave(self, code: int) -> None:
        """Close in good order."""
        self.socket.close(status=code)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.shutdown()
