"""A scripted Discord gateway for tests: HELLO, READY, RESUME with replay, faults on request.

Small on purpose: it does what the test tells it and records what the client sent. One
origin serves ``/api/v10/gateway/bot``, interaction callbacks and ``/gateway``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket
import zstandard

BOT_ID = "900000000000000001"
APP_ID = "900000000000000001"
CHANNEL = "700000000000000001"
AUTHOR = "500000000000000001"
GUILD = "800000000000000001"


@dataclass
class Script:
    """What the server does wrong, changed by tests at any time."""

    interval_ms: int = 40_000
    ack: bool = True
    hello: bool = True
    answer_identify: bool = True
    refuse_resume: bool | None = None
    """op 9 in answer to RESUME; the value is its ``d``."""
    close_on_identify: int | None = None
    close_on_resume: int | None = None
    split: bool = False
    """Send each compressed message in two websocket messages."""
    resume_url: str = ""
    """What READY names as the address to resume at; empty for the true one."""
    bot_status: int = 200
    bot_body: Any = None
    remaining: int = 1000
    callback_status: int = 204
    callback_code: int = 0


@dataclass
class Session:
    """One gateway session and everything dispatched on it, for replay."""

    id: str
    log: list[tuple[int, str]] = field(default_factory=list)
    seq: int = 0


class _Socket(tornado.websocket.WebSocketHandler):
    def initialize(self, server: ScriptedGateway) -> None:
        self.server = server
        self.session: Session | None = None
        self.compress = ""
        self.silent = False
        """Half open: takes everything, says nothing."""
        self.zlib = zlib.compressobj()
        self.zstd = zstandard.ZstdCompressor().compressobj()

    def check_origin(self, origin: str) -> bool:
        return True

    def open(self, *args: str, **kwargs: str) -> None:
        self.compress = self.get_query_argument("compress", "")
        self.server.sockets.append(self)
        self.server.note("open", {"query": self.request.query})
        if self.server.script.hello:
            self.put({"op": 10, "d": {"heartbeat_interval": self.server.script.interval_ms}})

    def put(self, frame: Any) -> None:
        self.put_text(frame if isinstance(frame, str) else json.dumps({"s": None, "t": None, **frame}))

    def put_text(self, text: str) -> None:
        if self.ws_connection is None or self.silent:
            return
        data = text.encode("utf-8", "surrogateescape")
        try:
            if self.compress == "zlib-stream":
                piece = self.zlib.compress(data) + self.zlib.flush(zlib.Z_SYNC_FLUSH)
                cuts = [piece[:3], piece[3:]] if self.server.script.split else [piece]
                for cut in cuts:
                    self.write_message(cut, binary=True)
            elif self.compress == "zstd-stream":
                piece = self.zstd.compress(data) + self.zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
                self.write_message(piece, binary=True)
            else:
                self.write_message(data, binary=False)
        except tornado.websocket.WebSocketClosedError:
            pass

    def on_message(self, message: str | bytes) -> None:
        frame = json.loads(message)
        self.server.note("frame", frame)
        op, d = frame["op"], frame["d"]
        script = self.server.script
        if self.silent:
            return
        if op == 1 and script.ack:
            self.put({"op": 11, "d": None})
        elif op == 2:
            script.remaining -= 1
            if script.close_on_identify:
                self.close(script.close_on_identify, "scripted")
            elif script.answer_identify:
                self.identify()
        elif op == 6:
            self.resume(d)

    def identify(self) -> None:
        self.session = self.server.new_session()
        ready = {
            "v": 10,
            "user": {"id": BOT_ID, "username": "shoal", "bot": True},
            "guilds": [],
            "session_id": self.session.id,
            "resume_gateway_url": self.server.resume_url,
            "application": {"id": APP_ID, "flags": 0},
        }
        self.server.send(self.session, "READY", ready, [self])
        for event, data in self.server.on_ready:
            self.server.send(self.session, event, data, [self])

    def resume(self, d: Any) -> None:
        script = self.server.script
        if script.close_on_resume:
            self.close(script.close_on_resume, "scripted")
            return
        session = self.server.sessions.get(d["session_id"])
        if script.refuse_resume is not None or session is None or d["seq"] > session.seq:
            self.put({"op": 9, "d": bool(script.refuse_resume)})
            return
        self.session = session
        for seq, text in session.log:
            if seq > d["seq"]:
                self.put_text(text)
        self.server.send(session, "RESUMED", {}, [self])
        self.server.note("resumed", session.id)

    def on_close(self) -> None:
        self.server.note("close", {"code": self.close_code, "reason": self.close_reason})
        if self in self.server.sockets:
            self.server.sockets.remove(self)


class _Bot(tornado.web.RequestHandler):
    def initialize(self, server: ScriptedGateway) -> None:
        self.server = server

    def get(self) -> None:
        script = self.server.script
        self.server.note("bot", {"auth": self.request.headers.get("Authorization")})
        self.set_status(script.bot_status)
        self.set_header("Content-Type", "application/json")
        limit = {"total": 1000, "remaining": script.remaining, "reset_after": 1000, "max_concurrency": 1}
        body = {"url": self.server.ws_url, "shards": 1, "session_start_limit": limit}
        self.write(json.dumps(script.bot_body if script.bot_body is not None else body))


class _Callback(tornado.web.RequestHandler):
    def initialize(self, server: ScriptedGateway) -> None:
        self.server = server

    def post(self, interaction: str, token: str) -> None:
        script = self.server.script
        body = json.loads(self.request.body)
        self.server.note("callback", {"id": interaction, "token": token, "at": time.monotonic(), **body})
        self.set_status(script.callback_status)
        if script.callback_status >= 400:
            self.set_header("Content-Type", "application/json")
            self.write(json.dumps({"code": script.callback_code, "message": "scripted"}))


class ScriptedGateway:
    """The server in a thread of its own. All methods may be called from the test's thread."""

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.script = Script()
        self.host = host
        self._tls = tls
        self.sessions: dict[str, Session] = {}
        self.sockets: list[_Socket] = []
        self.notes: list[tuple[str, Any]] = []
        self.on_ready: list[tuple[str, Any]] = []
        self._count = 0
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._asked_port = port
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        mine = {"server": self}
        app = tornado.web.Application(
            [
                (r"/api/v10/gateway/bot", _Bot, mine),
                (r"/api/v10/interactions/([^/]+)/([^/]+)/callback", _Callback, mine),
                (r"/gateway/?", _Socket, mine),
            ],
            websocket_max_message_size=1 << 20,
        )
        [listening] = tornado.netutil.bind_sockets(self._asked_port, self.host)
        self.port = listening.getsockname()[1]
        self._server = tornado.httpserver.HTTPServer(app, ssl_options=self._tls)
        self._server.add_socket(listening)
        self._ready.set()
        self._loop.run_forever()

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://{self.host}:{self.port}/gateway"

    @property
    def resume_url(self) -> str:
        return self.script.resume_url or self.ws_url

    @property
    def api_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}/api/v10"

    # -- from the loop -------------------------------------------------------------------------

    def note(self, kind: str, what: Any) -> None:
        with self._changed:
            self.notes.append((kind, what))
            self._changed.notify_all()

    def new_session(self) -> Session:
        self._count += 1
        session = Session(f"session{self._count:04d}")
        self.sessions[session.id] = session
        return session

    def send(self, session: Session, event: str, data: Any, to: list[_Socket]) -> None:
        session.seq += 1
        text = json.dumps({"op": 0, "s": session.seq, "t": event, "d": data})
        session.log.append((session.seq, text))
        for one in to:
            one.put_text(text)

    # -- from the test -------------------------------------------------------------------------

    def call(self, work: Callable[[], Any]) -> Any:
        """Run in the server's loop and wait for the result."""
        done = threading.Event()
        box: list[Any] = []

        def run() -> None:
            try:
                box.append(work())
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(20), "the scripted gateway does not answer"
        return box[0] if box else None

    def dispatch(self, event: str, data: Any) -> None:
        """An event on the newest session, to whoever is connected to it; kept for RESUME."""

        self.call(lambda: self.dispatch_now(event, data))

    def dispatch_now(self, event: str, data: Any) -> None:
        """The same, for work that is in the loop already."""
        session = list(self.sessions.values())[-1]
        self.send(session, event, data, [one for one in self.sockets if one.session is session])

    def raw(self, text: str, *, counts: bool = False) -> None:
        """Any text to every connection; ``counts`` moves the session's sequence past it, without replay."""

        def work() -> None:
            if counts:
                list(self.sessions.values())[-1].seq += 1
            for one in self.sockets:
                one.put_text(text)

        self.call(work)

    def close(self, code: int | None) -> None:
        """Close every connection with a code, or with a close frame without one (1005)."""
        reason = None if code is None else "scripted"
        self.call(lambda: [one.close(code, reason) for one in list(self.sockets)])

    def cut(self) -> None:
        """End every TCP connection without a word."""

        def work() -> None:
            for one in list(self.sockets):
                if one.ws_connection is not None:
                    one.ws_connection.stream.socket.shutdown(2)

        self.call(work)

    def reset(self) -> None:
        """End every TCP connection with RST."""

        def work() -> None:
            for one in list(self.sockets):
                if one.ws_connection is not None:
                    raw = one.ws_connection.stream.socket
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.ws_connection.stream.close()

        self.call(work)

    def half_close(self) -> None:
        """FIN: say that nothing more comes, go on listening."""

        def work() -> None:
            for one in list(self.sockets):
                if one.ws_connection is not None:
                    one.ws_connection.stream.socket.shutdown(socket.SHUT_WR)

        self.call(work)

    def silence(self) -> None:
        """Every present connection stays open and is dead."""

        def work() -> None:
            for one in self.sockets:
                one.silent = True

        self.call(work)

    def garble(self, data: bytes) -> None:
        """Bytes that are no piece of the compressed stream."""

        def work() -> None:
            for one in list(self.sockets):
                one.write_message(data, binary=True)

        self.call(work)

    def stop(self) -> None:
        def work() -> None:
            self._server.stop()
            for one in list(self.sockets):
                if one.ws_connection is not None:
                    one.ws_connection.stream.close()

        self.call(work)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # -- waiting -------------------------------------------------------------------------------

    def count(self, kind: str, op: int | None = None) -> int:
        """How often something was noted; ``op`` selects frames."""
        return sum(1 for k, what in self.notes if k == kind and (op is None or what["op"] == op))

    def frames(self, op: int) -> list[Any]:
        """The ``d`` of each frame of an opcode the clients sent."""
        return [what["d"] for kind, what in self.notes if kind == "frame" and what["op"] == op]

    def wait(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something noted makes ``condition`` true."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"did not happen; notes: {self.notes[-10:]}"

    def wait_frames(self, op: int, number: int = 1, seconds: float = 20.0) -> list[Any]:
        """Wait for that many frames of an opcode."""
        self.wait(lambda: len(self.frames(op)) >= number, seconds)
        return self.frames(op)


def message(number: int, *, channel: str = CHANNEL, author: str = AUTHOR, **more: Any) -> Any:
    """A MESSAGE_CREATE; ``number`` makes its snowflake, of the present hour."""
    base = (int(time.time() * 1000) - 1_420_070_400_000) >> 12 << 12
    snowflake = (base << 22) + number
    return {
        "id": str(snowflake),
        "channel_id": channel,
        "guild_id": GUILD,
        "author": {"id": author, "username": "ann"},
        "content": f"message {number}",
        "timestamp": "2026-01-05T00:49:53.676000+00:00",
        "edited_timestamp": None,
        "type": 0,
        **more,
    }
