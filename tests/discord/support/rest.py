"""A small HTTP server that plays Discord's REST: scripted answers, every request remembered."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.discord.support.net import SERVER_ADDRESS, TcpServer


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    source: str

    def json(self) -> Any:
        """Body as JSON; of a multipart body its ``payload_json``."""
        return json.loads(self.parts()["payload_json"][1]) if self.is_multipart() else json.loads(self.body)

    def is_multipart(self) -> bool:
        """Whether files came along."""
        return self.headers.get("content-type", "").startswith("multipart/form-data")

    def parts(self) -> dict[str, tuple[str, bytes]]:
        """Multipart: name → (headers of the part, bytes)."""
        boundary = self.headers["content-type"].split("boundary=")[1].encode()
        found: dict[str, tuple[str, bytes]] = {}
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, body = part.strip(b"\r\n").partition(b"\r\n\r\n")
            text = head.decode()
            name = re.search(r'name="([^"]+)"', text)
            assert name
            found[name[1]] = (text, body)
        return found


@dataclass
class Reply:
    """What to answer. ``fault``: ``reset`` before an answer, ``cut`` in the middle, ``hang``, ``drip``."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    @classmethod
    def of(cls, status: int, data: Any, **headers: str) -> Reply:
        """JSON; ``x_ratelimit_bucket="a"`` becomes ``X-RateLimit-Bucket: a``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json", **named})


class RestServer(TcpServer):
    """Answers from ``replies`` (then ``usual``), or from ``handler``."""

    def __init__(self, *, tls: bool = False, handler: Callable[[Seen], Reply] | None = None) -> None:
        self.seen: list[Seen] = []
        self.replies: deque[Reply] = deque()
        self.usual = Reply()
        self.handler = handler
        self.release = threading.Event()
        self.tls = tls
        super().__init__(SERVER_ADDRESS, tls=tls)

    @property
    def base(self) -> str:
        """REST base by address."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/api/v10"

    @property
    def named_base(self) -> str:
        """REST base by a name that only the test proxies know."""
        return f"https://api.discord.test:{self.port}/api/v10"

    def serve(self, sock: socket.socket) -> None:
        """Requests of one connection."""
        stream = sock.makefile("rb")
        while line := stream.readline():
            method, path, _ = line.decode().split(" ")
            headers: dict[str, str] = {}
            while (header := stream.readline().decode().strip()) != "":
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            seen = Seen(method, path, headers, body, sock.getpeername()[0])
            self.seen.append(seen)
            reply = (
                self.handler(seen)
                if self.handler
                else (self.replies.popleft() if self.replies else self.usual)
            )
            if not self._answer(sock, reply):
                return

    def _answer(self, sock: socket.socket, reply: Reply) -> bool:
        if reply.fault == "hang":
            self.release.wait(30)
            return False
        if reply.fault == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        head = f"HTTP/1.1 {reply.status} X\r\n"
        named = {name.lower() for name in reply.headers}
        if not named & {"content-length", "transfer-encoding"} and reply.status != 204:
            head += f"Content-Length: {len(reply.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        sock.sendall(head.encode() + b"\r\n")
        if reply.fault == "cut":
            sock.sendall(reply.body[: len(reply.body) // 2])
            return False
        if reply.fault == "drip":
            for byte in reply.body:
                if self.release.wait(0.05):
                    return False
                sock.sendall(bytes([byte]))
            return True
        if reply.status != 204:
            sock.sendall(reply.body)
        return True
