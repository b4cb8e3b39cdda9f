"""The gateway's websocket: HELLO, IDENTIFY, RESUME, heartbeats, requests, and its ways of failing.

One :class:`GatewaySocket` per connection; what outlives it is a :class:`~shoal.simulator.hub.Session`.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

import orjson
from tornado.httputil import HTTPServerRequest
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from shoal.simulator import commands
from shoal.simulator.codec import Codec, make_codec
from shoal.simulator.hub import Session
from shoal.simulator.model import Application, Json
from shoal.simulator.rest.web import cut

if TYPE_CHECKING:
    from tornado.web import Application as WebApplication

    from shoal.simulator.core import Core

__all__ = ["GatewaySocket"]

logger = logging.getLogger(__name__)

MAX_FRAME = 4096
KNOWN_INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))
PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)


class GatewaySocket(WebSocketHandler):
    """One connection of a client."""

    core: Core
    codec: Codec

    def __init__(self, application: WebApplication, request: HTTPServerRequest, **kwargs: Any) -> None:
        super().__init__(application, request, **kwargs)
        self.session: Session | None = None
        self.compress_payload = False
        self.stalled = False
        self.frames: deque[float] = deque()
        self.heard = time.monotonic()
        self.watch: asyncio.TimerHandle | None = None
        self.dead = False

    def initialize(self, core: Core) -> None:
        """Given by the route table."""
        self.core = core

    def check_origin(self, _origin: str) -> bool:
        """Bots send no origin; any is fine on loopback."""
        return True

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """The handshake, unless a fault forbids it."""
        fault = self.core.faults.take("gateway_refuse", at="connect")
        if fault is not None:
            self.core.log.write("fault", fault=fault.kind, id=fault.id)
            if not int(fault.fields["status"]):
                cut(self.request)
                return
            self.set_status(int(fault.fields["status"]))
            self.finish()
            return
        await super().get(*args, **kwargs)

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Check the query and say HELLO."""
        self.set_nodelay(True)
        version, encoding = self.get_argument("v", "6"), self.get_argument("encoding", "json")
        self._note("connect", version=version, encoding=encoding, compress=self.get_argument("compress", ""))
        codec = make_codec(self.get_argument("compress", ""))
        if version not in ("9", "10"):
            self.close(4012, "Invalid API version.")
            return
        if encoding != "json" or codec is None:
            self.close(4002, "Error while decoding payload.")
            return
        self.codec = codec
        self.core.sockets.add(self)
        if self._strike_at("connect"):
            return
        self._send(
            {"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": self._interval, "_trace": []}}
        )
        self._watch()

    @property
    def _interval(self) -> int:
        return self.core.settings.heartbeat_interval_ms

    def _watch(self) -> None:
        """Cut a client that stopped heartbeating (4009)."""
        if time.monotonic() - self.heard > 1.5 * self._interval / 1000 + 1:
            self.end(4009, "Session timed out.")
            return
        self.watch = asyncio.get_running_loop().call_later(self._interval / 2000, self._watch)

    # -- out -------------------------------------------------------------------------------------

    def push(self, frame: bytes) -> None:
        """Send a frame in the encoding of this connection; a closed socket swallows it."""
        if self.stalled or self.dead:
            return
        try:
            if self.compress_payload and len(frame) > 1024 and not self.codec.binary:
                sent = self.write_message(zlib.compress(frame), binary=True)
            else:
                sent = self.write_message(self.codec.pack(frame), binary=self.codec.binary)
            sent.add_done_callback(_swallow)
        except WebSocketClosedError:
            self._gone()

    def _send(self, frame: Json) -> None:
        self.push(orjson.dumps(frame))

    def end(self, code: int, reason: str = "") -> None:
        """Close with one of Discord's codes; 4003, 4007 and 4009 end the session too."""
        self._note("close", code=code, by="server")
        if code in (4003, 4004, 4007, 4009) and self.session is not None:
            self.core.hub.forget(self.session)
        self.close(code, reason or None)
        self._gone()

    def cut(self) -> None:
        """End the TCP connection without a word."""
        self._note("cut", by="server")
        self._gone()
        stream = getattr(self.ws_connection, "stream", None)
        if stream is not None:
            stream.close()

    def strike(self, kind: str, fields: Json) -> None:
        """A fault of the connection; see :data:`shoal.simulator.faults.KINDS`."""
        self._note("fault", fault=kind)
        if kind == "gateway_close":
            self.end(int(fields["code"]))
        elif kind == "gateway_cut":
            self.cut()
        elif kind == "gateway_reconnect":
            self._send({"t": None, "s": None, "op": 7, "d": None})
        elif kind == "gateway_invalid_session":
            self.invalidate(resumable=bool(fields["resumable"]))
        elif kind == "gateway_stall":
            self.stalled = True
            asyncio.get_running_loop().call_later(float(fields["seconds"]), self.cut)

    def invalidate(self, *, resumable: bool) -> None:
        """Op 9; the session is gone unless ``resumable``."""
        if self.session is not None and not resumable:
            self.core.hub.forget(self.session)
            self.session = None
        self._send({"t": None, "s": None, "op": 9, "d": resumable})

    def _strike_at(self, place: str) -> bool:
        """Let a fault of this moment happen; True when the caller must stop."""
        bot = self.session.bot_id if self.session else ""
        fault = self.core.faults.take(
            "gateway_close", "gateway_cut", "gateway_reconnect", "gateway_invalid_session", "gateway_stall",
            at=place, bot=bot,
        )  # fmt: skip
        if fault is None:
            return False
        self.strike(fault.kind, fault.fields)
        return fault.kind != "gateway_reconnect" or place in ("identify", "resume", "connect")

    # -- in --------------------------------------------------------------------------------------

    def on_message(self, message: str | bytes) -> None:
        """One frame of the client."""
        if self.dead:
            return
        raw = message.encode() if isinstance(message, str) else message
        now = time.monotonic()
        self.frames.append(now)
        while self.frames[0] < now - 60:
            self.frames.popleft()
        if len(self.frames) > self.core.settings.command_limit:
            self.end(4008, "You are being rate limited.")
            return
        try:
            frame = orjson.loads(raw)
            op, data = int(frame["op"]), frame.get("d")
        except (ValueError, KeyError, TypeError, AttributeError):
            self.end(4002, "Error while decoding payload.")
            return
        if len(raw) > MAX_FRAME:
            self.end(4002, "Error while decoding payload.")
        elif op == 1:
            self._heartbeat(data)
        elif op == 2:
            self._identify(data)
        elif op == 6:
            self._resume(data)
        elif self.session is None:
            self.end(4003, "Not authenticated.")
        else:
            self._note("command", op=op, data=data)
            if not commands.run(self.core, self.session, op, data):
                self.end(4001, "Unknown opcode.")

    def _heartbeat(self, seq: object) -> None:
        self.heard = time.monotonic()
        self._note("heartbeat", seq=seq)
        bot = self.session.bot_id if self.session else ""
        if self._strike_at("heartbeat") or self.core.faults.take("gateway_no_ack", bot=bot):
            return
        self._send({"t": None, "s": None, "op": 11, "d": None})

    def _identify(self, data: Any) -> None:
        if self.session is not None:
            self.end(4005, "Already authenticated.")
            return
        if not isinstance(data, dict) or not isinstance(data.get("token"), str):
            self.end(4002, "Error while decoding payload.")
            return
        intents, shard = data.get("intents"), data.get("shard", [0, 1])
        bot = self.core.world.tokens.get(data["token"].removeprefix("Bot "))
        self._note("identify", bot=bot, intents=intents, shard=shard, properties=data.get("properties"))
        if bot is None:
            self.end(4004, "Authentication failed.")
            return
        application = self.core.world.applications[bot]
        problem = self._identify_problem(application, intents, shard)
        if problem:
            self.end(*problem)
            return
        pair = (int(shard[0]), int(shard[1]))
        if not self.core.identify_allowed(bot, pair[0]):
            self.invalidate(resumable=False)
            return
        application.identifies += 1
        if self._strike_at("identify"):
            return
        self.compress_payload = bool(data.get("compress"))
        self.session = self.core.hub.open(bot, int(intents or 0), pair, self)
        self.core.events.start(self.session, self.core.gateway_url)

    def _identify_problem(self, application: Application, intents: Any, shard: Any) -> tuple[int, str] | None:
        if not isinstance(intents, int) or intents < 0 or intents & ~KNOWN_INTENTS:
            return 4013, "Invalid intent(s)."
        if intents & PRIVILEGED & application.disallowed_intents:
            return 4014, "Disallowed intent(s)."
        good = isinstance(shard, list) and len(shard) == 2 and all(type(n) is int for n in shard)
        if not good or not 0 <= shard[0] < shard[1]:
            return 4010, "Invalid shard."
        if application.identifies >= self.core.settings.session_total:
            return 4004, "Authentication failed."
        return None

    def _resume(self, data: Any) -> None:
        if self.session is not None:
            self.end(4005, "Already authenticated.")
            return
        if not isinstance(data, dict) or not isinstance(data.get("seq"), int):
            self.end(4002, "Error while decoding payload.")
            return
        bot = self.core.world.tokens.get(str(data.get("token")).removeprefix("Bot "))
        session = self.core.hub.live(str(data.get("session_id")))
        self._note(
            "resume", bot=bot, session=data.get("session_id"), seq=data["seq"], known=session is not None
        )
        if bot is None:
            self.end(4004, "Authentication failed.")
            return
        if self._strike_at("resume"):
            return
        if session is None or session.bot_id != bot or data["seq"] < session.dropped_to:
            self.invalidate(resumable=False)
            return
        if data["seq"] > session.seq:
            self.end(4007, "Invalid seq.")
            return
        self._adopt(session, data["seq"])

    def _adopt(self, session: Session, seq: int) -> None:
        old = session.socket
        if isinstance(old, GatewaySocket):
            old.session = None
            old.end(4000, "Session resumed elsewhere.")
        self.session, session.socket, session.detached_at = session, self, None
        session.late.clear()
        session.resumes += 1
        for number, frame in list(session.buffer):
            if number > seq:
                self.push(frame)
        self.core.hub.send(session, "RESUMED", {"_trace": ['["simulator",{"micros":0}]']})

    # -- end -------------------------------------------------------------------------------------

    def on_close(self) -> None:
        """The client left: 1000 and 1001 end its session, anything else leaves it to be resumed."""
        if not self.dead:
            self._note("close", code=self.close_code, by="client")
            if self.close_code in (1000, 1001) and self.session is not None:
                self.core.hub.forget(self.session)
        self._gone()

    def _gone(self) -> None:
        self.dead = True
        self.core.sockets.discard(self)
        if self.watch is not None:
            self.watch.cancel()
        if self.session is not None:
            self.core.hub.detach(self.session, self)

    def _note(self, what: str, **fields: Any) -> None:
        session = self.session
        about = {"bot": session.bot_id, "session": session.id} if session else {}
        self.core.log.write("gateway", **{**about, **fields}, what=what, source=self.request.remote_ip)


def _swallow(sent: asyncio.Future[None]) -> None:
    """A client that left while a frame was on its way: RESUME brings it again."""
    if not sent.cancelled():
        sent.exception()
