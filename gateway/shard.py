"""One connection with its threads: carries out what the session machine asks for.

    reader   (this thread)  dial, receive, decode, classify, put into the buffer
    timer                   heartbeats and deadlines, whatever the reader is doing
    writer                  buffer → Redis (:mod:`gateway.intake`)

The machine is under one lock, and never held while something waits. An action of the timer
that concerns the stream of events is left for the reader, so that events have one order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from gateway.actions import (
    Action,
    AskIdentify,
    Began,
    Close,
    Connect,
    Dispatch,
    Lost,
    Note,
    Resumed,
    Send,
    Stop,
)
from gateway.backstop import Backstop
from gateway.buffer import Buffer, Item, sort
from gateway.closing import stopped
from gateway.compression import Compression
from gateway.decode import BadFrame, decode_frame, encode_frame
from gateway.events import Origin
from gateway.intake import Writer
from gateway.intents import intent_names
from gateway.lookup import GatewayInfo, IdentifyGate, Lookup
from gateway.session import Phase, Session, SessionState
from gateway.socket import Closed, Dialler, GatewaySocket, PayloadTooLarge
from shoal.base.errors import ShoalError, StoreUnavailable, TransportError
from shoal.base.logging import get_logger
from shoal.base.redact import redactor
from shoal.base.threads import start_thread
from shoal.discord.errors import DiscordError
from shoal.discord.wire import GatewayOp, Intents

__all__ = ["Facilities", "ShardRunner"]

log = get_logger(__name__)

TIMER_S = 1.0
POSTPONE_S = 1.0


@dataclass(frozen=True, slots=True)
class Facilities:
    """What a shard is given.

    Attributes:
        proxy: the proxy for logs, without credentials; empty for none.
        presence: ``d`` of op 3 to send on every READY, or ``None``.
        on_fatal: told when the shard cannot go on; the process ends then.
    """

    account: str
    token_source: str
    intents: Intents
    dialler: Dialler
    lookup: Lookup
    gate: IdentifyGate
    backstop: Backstop
    compression: Compression
    proxy: str
    presence: object | None
    on_fatal: Callable[[ShoalError], None]


class _User(msgspec.Struct):
    id: str | int


class _ReadyUser(msgspec.Struct):
    user: _User


class ShardRunner:
    """Runs one shard until :meth:`stop`. Also the writer's listener."""

    def __init__(
        self, machine: Session, buffer: Buffer, facilities: Facilities, *, number: int, me: str | None
    ) -> None:
        self._machine = machine
        self._buffer = buffer
        self._with = facilities
        self._number = number
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._plan: Connect | None = None
        self._later: list[Action] = []
        self._socket: GatewaySocket | None = None
        self._session_id = machine.state.session_id if machine.state else ""
        self._info: GatewayInfo | None = None
        self._restored = False
        self._stopping = False
        self._blocked = False
        self._writer: Writer | None = None
        self._log = log.bind(account=facilities.account, shard=number)
        self.me = me
        self.closes = 0

    def attach(self, writer: Writer) -> None:
        """Tell who writes; before :meth:`run`."""
        self._writer = writer

    # -- asked from other threads ----------------------------------------------------------------

    @property
    def live(self) -> bool:
        """READY or RESUMED was seen on the present connection."""
        return self._machine.phase is Phase.LIVE

    def status(self) -> dict[str, object]:
        """For ``shoal status``: ids and figures only."""
        machine, socket = self._machine, self._socket
        now = time.monotonic()
        return {
            "connected": self.live,
            "phase": machine.phase.value,
            "latency_ms": None if machine.latency is None else round(machine.latency * 1000),
            "resumes": machine.resumes,
            "disconnects": self.closes,
            "last_frame_s": None if socket is None else round(now - socket.last_frame, 1),
            "buffered": len(self._buffer),
            "reading": not self._blocked,
        }

    def send_command(self, body: bytes, *, presence: bool = False) -> float:
        """Send a gateway command; seconds to wait if the limit or the connection does not allow it now."""
        socket = self._socket
        if socket is None or not self.live:
            return POSTPONE_S
        try:
            return socket.send_command(body, presence=presence)
        except Closed:
            return POSTPONE_S

    def stop(self) -> None:
        """Close with a code that keeps the session; :meth:`run` returns."""
        with self._lock:
            self._stopping = True
            actions = self._machine.stop()
            self._changed.notify_all()
        self._perform(actions)

    def restore(self, state: SessionState | None) -> None:
        """The writer's word: the store went back, RESUME from ``state``."""
        with self._lock:
            self._restored = True
            self._session_id = state.session_id if state else ""
            actions = self._machine.restore(state)
        self._perform(actions)

    # -- the reader ------------------------------------------------------------------------------

    def run(self) -> None:
        """Connect, read, reconnect until :meth:`stop`.

        Raises:
            GatewayStopped, ProcessError: Discord or ``/gateway/bot`` refuse for good.
        """
        timer = start_thread(f"timer-{self._number}", self._timer, self._with.on_fatal)
        with self._lock:
            actions = self._machine.start()
        self._perform(actions)
        try:
            while (plan := self._next()) is not None:
                self._connect(plan)
        finally:
            with self._lock:
                self._stopping = True
                self._changed.notify_all()
            timer.join(5.0)

    def _next(self) -> Connect | None:
        """Wait for the next plan and for its delay; ``None`` when stopping."""
        with self._changed:
            while not self._stopping:
                plan = self._plan
                if plan is None:
                    self._changed.wait()
                    continue
                deadline = time.monotonic() + plan.delay
                while not self._stopping and self._plan is plan:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    self._changed.wait(left)
                if self._stopping or self._plan is not plan:
                    continue
                self._plan = None
                later, self._later = self._later, []
                if self._restored:
                    self._restored = False
                    self._buffer.reopen()
                break
            else:
                return None
        self._perform(later)
        return plan

    def _connect(self, plan: Connect) -> None:
        try:
            socket = self._dial(plan)
        except (TransportError, DiscordError, StoreUnavailable) as error:
            with self._lock:
                actions = [] if self._plan or self._stopping else self._failed(error)
            self._perform(actions)
            return
        with self._lock:
            if self._plan is not None or self._stopping:
                actions = [Close(4000, "not needed")]
            else:
                actions = self._machine.opened(time.monotonic())
            self._socket = socket
            self._changed.notify_all()
        self._perform(actions)
        try:
            self._read(socket)
        finally:
            self._socket = None
            socket.release()

    def _failed(self, error: ShoalError) -> list[Action]:
        return self._machine.failed(str(error), time.monotonic())

    def _dial(self, plan: Connect) -> GatewaySocket:
        if not plan.resume or (plan.url is None and self._info is None):
            self._info = self._with.lookup.fetch()
            if self._info.shards > self._machine.shard.count:
                self._log.warning("Discord recommends more shards", recommended=self._info.shards)
        url = plan.url or (self._info.url if self._info else "")
        if self._with.proxy:
            self._log.info(f"Discord gateway connecting via proxy: {self._with.proxy}")
        else:
            self._log.info("Discord gateway connecting")
        socket = GatewaySocket.open(url, self._with.dialler, self._with.compression)
        self._log.info("Discord gateway connected (WebSocket)", resume=plan.resume)
        return socket

    def _read(self, socket: GatewaySocket) -> None:
        """Read until the connection ends or the machine has other plans."""
        try:
            while True:
                data = socket.receive()
                received = time.monotonic()
                frame = decode_frame(data)
                with self._lock:
                    if self._plan is not None or self._stopping:
                        continue  # being closed; what comes now will be replayed
                    if isinstance(frame, BadFrame):
                        actions = self._machine.bad_frame(frame)
                    else:
                        actions = self._machine.frame(frame, received)
                if actions:
                    self._perform(actions, received)
        except Closed as error:
            self.closes += 1
            with self._lock:
                if self._plan is not None or self._stopping:
                    return
                actions = self._machine.closed(error.close_code, error.reason, time.monotonic())
            self._log.warning("gateway connection ended", close_code=error.close_code, reason=error.reason)
            self._perform(actions)

    # -- the timer -------------------------------------------------------------------------------

    def _timer(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                due = self._machine.due()
                now = time.monotonic()
                if due is None or due > now:
                    self._changed.wait(TIMER_S if due is None else min(TIMER_S, due - now))
                    continue
                actions = self._machine.tick(now, reading=not self._blocked)
                self._later += [action for action in actions if isinstance(action, Lost)]
            self._perform([action for action in actions if not isinstance(action, Lost)])

    # -- actions ---------------------------------------------------------------------------------

    def _perform(self, actions: Sequence[Action], received: float = 0.0) -> None:
        for action in actions:
            if isinstance(action, Connect):
                self._replan(action)  # first: a reader that a Close wakes up must find the plan
        for action in actions:
            match action:
                case Dispatch():
                    self._dispatch(action, received)
                case Send():
                    self._send(action)
                case Close():
                    if self._socket is not None:
                        self._socket.close(action.code, action.reason)
                case AskIdentify():
                    self._identify()
                case Began():
                    self._began(action, received)
                case Resumed():
                    self._said("session resumed")
                case Lost():
                    self._log.warning("gateway session lost", reason=action.reason)
                    self._buffer.put(Item(self._session_id, 0, 0, lost=True))
                case Stop():
                    raise stopped(
                        action.code,
                        account=self._with.account,
                        token_source=self._with.token_source,
                        intents=intent_names(self._with.intents),
                    )
                case Note():
                    getattr(self._log, action.level)(action.text)

    def _send(self, action: Send) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            socket.send(action.body)
        except Closed as error:
            self._log.warning("gateway frame not sent", what=action.what, error=error)
            socket.close(4000, "cannot send")

    def _replan(self, action: Connect) -> None:
        with self._changed:
            self._plan = action
            self._changed.notify_all()
        delay = round(action.delay, 2)
        self._log.info("gateway connects", reason=action.reason, resume=action.resume, delay_s=delay)

    def _identify(self) -> None:
        try:
            wait = self._with.gate.take(self._info) if self._info else POSTPONE_S
        except StoreUnavailable as error:
            self._log.warning("IDENTIFY waits for Redis", error=error)
            wait = POSTPONE_S
        if wait > 10:
            self._log.error("the daily number of IDENTIFYs is used up; waiting", seconds=round(wait))
        with self._lock:
            now = time.monotonic()
            actions = self._machine.postpone(wait, now) if wait else self._machine.identify(now)
            self._changed.notify_all()
        self._perform(actions)

    def _began(self, action: Began, received: float) -> None:
        try:
            self.me = str(msgspec.json.decode(action.frame.d, type=_ReadyUser).user.id)
        except msgspec.DecodeError as error:
            self._log.error("READY does not say who we are", error=error)
        if self._writer is not None:
            self._writer.me = self.me
        self._session_id = action.state.session_id
        redactor.register(self._session_id)  # with the token it is all that a RESUME needs
        ready = Item(self._session_id, 0, action.state.seq, "READY", received, begin=action.state)
        ready.fact = action.frame.d
        self._put(ready)
        self._said("session began")
        if self._with.presence is not None:
            body = encode_frame(GatewayOp.PRESENCE_UPDATE, self._with.presence)
            try:
                if self.send_command(body, presence=True):
                    self._log.warning("presence not sent: the limit of gateway commands is reached")
            except PayloadTooLarge as error:
                self._log.error("presence not sent", error=error)

    def _said(self, what: str) -> None:
        self._log.info(
            f"Discord gateway {'connected via proxy' if self._with.proxy else 'ready'}", state=what
        )

    def _dispatch(self, action: Dispatch, received: float) -> None:
        frame = action.frame
        item = Item(self._session_id, action.follows, action.seq, received=received)
        if isinstance(frame, BadFrame):
            item.event, item.bad, item.payload = frame.event or "?", frame.reason, frame.payload
            self._put(item)
            return
        origin = Origin(
            self._with.account, self._number, self._session_id, action.seq, self.me, int(time.time() * 1000)
        )
        sort(item, frame, origin)
        if item.kept is not None and item.kept.interaction is not None:
            self._with.backstop.watch(item.kept.interaction, received)
        self._put(item)

    def _put(self, item: Item) -> None:
        """Into the buffer; while it is full the reader stands still and the ACKs prove nothing."""
        if not self._buffer.full():
            self._buffer.put(item)
            return
        why = self._buffer.paused or "read-ahead buffer is full"
        self._log.warning(f"{why}; the socket is not read", buffered=len(self._buffer))
        self._blocked = True
        try:
            self._buffer.put(item)
        finally:
            with self._changed:
                self._blocked = False
                self._machine.reading_again(time.monotonic())
                self._changed.notify_all()
