"""A scripted server that speaks chat completions, and a proxy that counts: real sockets for real SDKs."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server does with one request: text and/or calls, or an error, or trouble."""

    text: str = ""
    calls: list[tuple[str, dict[str, Any] | str]] = field(default_factory=list)
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang_before: bool = False
    """No header ever comes."""
    hang_after: int | None = None
    """After so many deltas nothing more comes."""
    cut: bool = False
    """The stream ends without a finish reason."""


Script = Callable[[dict[str, Any]], Reply]


class ChatServer:
    """``script`` is a list of replies in order (the last one repeats) or a function of the request."""

    def __init__(self, script: list[Reply] | Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args: Any) -> None:
                return

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.serve(self, body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.daemon = True
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def stop(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def _next(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            if callable(self._script):
                return self._script(body)
            return self._script[min(len(self.requests), len(self._script)) - 1]

    def serve(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        reply = self._next(body, {name.lower(): value for name, value in handler.headers.items()})
        if reply.hang_before:
            self.closing.wait(60)
            handler.close_connection = True
            return
        if reply.status != 200:
            data = json.dumps({"error": reply.error}).encode()
            handler.send_response(reply.status)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(data)))
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)
            return
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.close_connection = True
        for number, chunk in enumerate(chunks(reply, body)):
            if reply.hang_after is not None and number >= reply.hang_after:
                handler.wfile.flush()
                self.closing.wait(60)
                return
            handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            handler.wfile.flush()
        if not reply.cut:
            handler.wfile.write(b"data: [DONE]\n\n")


def chunks(reply: Reply, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer as chat completion chunks, text in pieces, arguments in two fragments."""
    out: list[dict[str, Any]] = []

    def add(delta: dict[str, Any], finish: str | None = None) -> None:
        out.append(
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            }
        )

    add({"role": "assistant", "content": ""})
    for start in range(0, len(reply.text), 5):
        add({"content": reply.text[start : start + 5]})
    for index, (name, arguments) in enumerate(reply.calls):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        head = {"index": index, "id": f"call_{index}", "type": "function"}
        add({"tool_calls": [{**head, "function": {"name": name, "arguments": text[:4]}}]})
        add({"tool_calls": [{"index": index, "function": {"arguments": text[4:]}}]})
    if not reply.cut:
        add({}, "tool_calls" if reply.calls else "stop")
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        last = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        out.append({**last, "choices": [], "usage": usage})
    return out


class CountingProxy:
    """An HTTP proxy (CONNECT and absolute form) or a SOCKS5 one; remembers what was asked of it."""

    def __init__(self, kind: str = "http", upstream: tuple[str, int] | None = None) -> None:
        self.kind = kind
        self.upstream = upstream
        self.targets: list[str] = []
        self.auth: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)  # close alone does not wake the accept
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            first = self._socks(client) if self.kind == "socks5h" else self._http(client)
            if first is None:
                client.close()
                return
            upstream, pending = first
            if pending:
                upstream.sendall(pending)
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            _pump(client, upstream)
            back.join(5)
        except OSError:
            client.close()

    def _dial(self, host: str, port: int) -> socket.socket:
        return socket.create_connection(self.upstream or (host, port), timeout=5)

    def _http(self, client: socket.socket) -> tuple[socket.socket, bytes] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return None
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        self.auth += [
            h.split(":", 1)[1].strip() for h in headers if h.lower().startswith("proxy-authorization")
        ]
        method, target, _ = line.split(" ")
        self.targets.append(target)
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            upstream = self._dial(host, int(port))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            return upstream, rest
        from urllib.parse import urlsplit

        url = urlsplit(target)
        upstream = self._dial(url.hostname or "", url.port or 80)
        kept = [h for h in headers if not h.lower().startswith("proxy-")]
        path = url.path + (f"?{url.query}" if url.query else "")
        return upstream, "\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode() + b"\r\n\r\n" + rest

    def _socks(self, client: socket.socket) -> tuple[socket.socket, bytes] | None:
        _, count = client.recv(2)
        methods = client.recv(count)
        if 2 in methods:
            client.sendall(b"\x05\x02")
            client.recv(1)
            user = client.recv(client.recv(1)[0])
            password = client.recv(client.recv(1)[0])
            self.auth.append(f"{user.decode()}:{password.decode()}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        _, _, _, kind = client.recv(4)
        host = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
        port = int.from_bytes(client.recv(2), "big")
        self.targets.append(f"{'name' if kind == 3 else 'address'}:{host}:{port}")
        upstream = self._dial(host, port)
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return upstream, b""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another thread does."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "did not happen in time"
        time.sleep(0.01)
