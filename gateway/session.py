"""The gateway connection as a state machine without any I/O.

In go frames, ends of connections and the time; out come :mod:`gateway.actions`, for the
driver to carry out. Nothing here sleeps, sends or asks a clock, so every transition can be
tested as a row of a table.

    IDLE ──start──▶ CONNECTING ──opened──▶ GREETING ──HELLO──▶ PROVING ──READY | RESUMED──▶ LIVE
                        ▲                     │                   │                          │
                        └──── Connect(delay) ─┴───── close, op 7, op 9, no ACK, no READY ────┘

What is promised:

* Liveness is the heartbeat's ACK, never traffic: a beat that is due while the last one is
  unanswered ends the connection with a code that keeps the session.
* A lost connection is RESUMEd. After three RESUMEs that Discord did not take up, or when it
  says so, a fresh IDENTIFY follows. A dial that fails says nothing about the session and
  never costs it; when the resume address cannot be reached, the general one is tried in turn.
* Back-off has jitter and no limit of attempts; it starts again only after ten good seconds.
* IDENTIFY waits for a permit of the driver, which knows the fleet's limits.

All times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import SecretStr

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
from gateway.closing import KEEP_SESSION, Verdict, verdict
from gateway.decode import BadFrame, Frame, encode_frame
from shoal.discord.wire import GatewayOp

__all__ = ["Phase", "Session", "SessionState", "Shard"]

FAILED_RESUMES = 3
MAX_BACKOFF_S = 30.0
GOOD_S = 10.0
"""How long a connection must have been live to forget the failures before it."""
DIAL_FAILURES = 3
"""Failed dials of the resume address after which every second dial takes the general one."""
MAX_READY_S = 120.0
MAX_JUMP = 10_000
"""Sequence numbers that may be missing between two dispatches: of frames that could not be read."""
_NO_GATEWAY = "Failed to connect to Discord gateway"


class Phase(enum.Enum):
    """Where the connection stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    GREETING = "greeting"
    PROVING = "proving"
    LIVE = "live"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session that can be resumed: Discord's id, its address, the last sequence received."""

    session_id: str
    resume_url: str
    seq: int


@dataclass(frozen=True, slots=True)
class Shard:
    """Who identifies: one shard of one bot."""

    token: SecretStr
    intents: int
    number: int = 0
    count: int = 1


class _Hello(msgspec.Struct):
    heartbeat_interval: float


class _Ready(msgspec.Struct):
    session_id: str
    resume_gateway_url: str | None = None


@dataclass(slots=True)
class _Beat:
    """The heartbeat of one connection."""

    interval: float
    due: float
    sent: float | None = None
    acked: bool = True


@dataclass(slots=True)
class Session:
    """One shard's connection. Not thread-safe: the driver holds a lock around it.

    Args:
        shard: who we are.
        state: the stored session to resume, if there is one.
        ready_s: patience until the first READY or RESUMED, longer with every failure.
        later_s: the same for every later connection.
        rng: for jitter.
    """

    shard: Shard
    state: SessionState | None = None
    ready_s: float = 15.0
    later_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random)

    phase: Phase = field(default=Phase.IDLE, init=False)
    attempt: int = field(default=0, init=False)
    resumes: int = field(default=0, init=False)
    latency: float | None = field(default=None, init=False)
    failed_resumes: int = field(default=0, init=False)
    failed_dials: int = field(default=0, init=False)
    _beat: _Beat | None = field(default=None, init=False)
    _watch: float | None = field(default=None, init=False)
    _ask_at: float | None = field(default=None, init=False)
    _live_since: float | None = field(default=None, init=False)
    _resuming: bool = field(default=False, init=False)

    # -- connecting ------------------------------------------------------------------------------

    def start(self) -> list[Action]:
        """Begin: connect at once, to resume if there is a session."""
        return [self._connect(0.0, "start")]

    def opened(self, now: float) -> list[Action]:
        """The websocket stands; HELLO must come."""
        self.phase = Phase.GREETING
        self.failed_dials = 0
        self._beat = None
        self._watch = now + self._patience()
        return []

    def failed(self, reason: str, now: float) -> list[Action]:
        """The websocket could not be opened. Says nothing about the session."""
        self.failed_dials += 1
        told = reason if reason.startswith(_NO_GATEWAY) else f"{_NO_GATEWAY}: {reason}"
        return [Note("warning", told), self._again(now, reason)]

    def closed(self, code: int | None, reason: str, now: float) -> list[Action]:
        """The connection ended from the other side, or was lost (``None``)."""
        if self.phase is Phase.STOPPED:
            return []
        kind = verdict(code)
        if kind is Verdict.STOP:
            assert code is not None
            self.phase = Phase.STOPPED
            return [Stop(code)]
        actions: list[Action] = []
        if kind is Verdict.IDENTIFY:
            actions += self._forget(f"close code {code}")
        elif self.phase is Phase.PROVING and self._resuming:
            actions += self._resume_failed()
        why = f"closed with {code} {reason}".strip() if code else "connection lost"
        actions.append(self._again(now, why))
        return actions

    def restore(self, state: SessionState | None) -> list[Action]:
        """The store went back (R2): leave this connection and RESUME from what is stored."""
        self.state = state
        actions: list[Action] = []
        if self.phase in (Phase.GREETING, Phase.PROVING, Phase.LIVE):
            actions.append(Close(KEEP_SESSION, "store went back"))
        return [*actions, self._connect(0.0, "store went back")]

    def stop(self) -> list[Action]:
        """Shut down in good order: close, keep the session."""
        connected = self.phase in (Phase.GREETING, Phase.PROVING, Phase.LIVE)
        self.phase = Phase.STOPPED
        return [Close(KEEP_SESSION, "shutting down")] if connected else []

    # -- frames ----------------------------------------------------------------------------------

    def frame(self, frame: Frame, now: float) -> list[Action]:
        """One decoded message."""
        match frame.op:
            case GatewayOp.DISPATCH:
                return self._dispatch(frame, now)
            case GatewayOp.HEARTBEAT_ACK:
                return self._acked(now)
            case GatewayOp.HEARTBEAT:
                return [self._heartbeat()]
            case GatewayOp.HELLO:
                return self._hello(frame, now)
            case GatewayOp.RECONNECT:
                why = "Discord asked to reconnect"
                return [Close(KEEP_SESSION, why), self._again(now, why)]
            case GatewayOp.INVALID_SESSION:
                return self._invalid(frame)
        return [Note("debug", f"unknown opcode {frame.op}")]

    def bad_frame(self, bad: BadFrame) -> list[Action]:
        """Bytes that are no frame. Their sequence counts only if it is the very next one."""
        if self.state is not None and bad.seq == self.state.seq + 1:
            follows = self.state.seq
            self.state = SessionState(self.state.session_id, self.state.resume_url, bad.seq)
            return [Dispatch(bad, follows, bad.seq)]
        return [Note("error", f"unreadable frame of {len(bad.payload)} bytes dropped: {bad.reason}")]

    def _hello(self, frame: Frame, now: float) -> list[Action]:
        try:
            hello = msgspec.json.decode(frame.d, type=_Hello)
        except msgspec.DecodeError:
            hello = _Hello(0)
        if hello.heartbeat_interval <= 0:
            return [Close(KEEP_SESSION, "no interval"), self._again(now, "HELLO without heartbeat_interval")]
        interval = hello.heartbeat_interval / 1000
        self._beat = _Beat(interval, now + interval * self.rng.random())
        self.phase = Phase.PROVING
        self._resuming = self.state is not None
        if self.state is None:
            self._ask_at = None
            return [AskIdentify()]
        state = self.state
        token = self.shard.token.get_secret_value()
        proof = {"token": token, "session_id": state.session_id, "seq": state.seq}
        return [Send(encode_frame(GatewayOp.RESUME, proof), "resume")]

    def identify(self, now: float) -> list[Action]:
        """The permit is there: IDENTIFY. Without a connection that waits for it, nothing."""
        if self.phase is not Phase.PROVING or self._resuming:
            return []
        self._watch = now + self._patience()
        return [Send(encode_frame(GatewayOp.IDENTIFY, self._identity()), "identify")]

    def postpone(self, seconds: float, now: float) -> list[Action]:
        """No permit yet: ask again in ``seconds``."""
        self._ask_at = now + seconds
        self._watch = now + seconds + self._patience()
        return []

    def _identity(self) -> dict[str, Any]:
        names = {"os": "linux", "browser": "shoal", "device": "shoal"}
        return {
            "token": self.shard.token.get_secret_value(),
            "intents": int(self.shard.intents),
            "properties": names,
            "compress": False,
            "shard": [self.shard.number, self.shard.count],
        }

    def _dispatch(self, frame: Frame, now: float) -> list[Action]:
        if frame.t == "READY" and frame.s is not None:
            return self._ready(frame, now)
        if frame.s is None or self.state is None:
            return [Note("warning", f"{frame.t} outside a session dropped")]
        if frame.s <= self.state.seq:
            return []  # a replay of what we have; intake would refuse it as well
        follows = self.state.seq
        if frame.s > follows + MAX_JUMP:
            # believing it would make everything that follows look like a replay
            return [Note("error", f"{frame.t} with sequence {frame.s} after {follows} dropped")]
        self.state = SessionState(self.state.session_id, self.state.resume_url, frame.s)
        actions: list[Action] = [Dispatch(frame, follows, frame.s)]
        if self.phase is Phase.PROVING:
            self._watch, self.failed_resumes = now + self._patience(), 0  # a long replay is progress
            if frame.t == "RESUMED":
                self.resumes += 1
                self._live(now)
                actions.append(Resumed())
        return actions

    def _ready(self, frame: Frame, now: float) -> list[Action]:
        assert frame.s is not None
        if not 0 <= frame.s <= MAX_JUMP:
            return [Close(KEEP_SESSION, "bad READY"), self._again(now, f"READY with sequence {frame.s}")]
        try:
            ready = msgspec.json.decode(frame.d, type=_Ready)
        except msgspec.DecodeError as error:
            return [Close(KEEP_SESSION, "bad READY"), self._again(now, f"READY cannot be read: {error}")]
        if self.state is not None and self.state.session_id == ready.session_id:
            return []  # a replay of the beginning
        self.state = SessionState(ready.session_id, ready.resume_gateway_url or "", frame.s)
        self._live(now)
        return [Began(self.state, frame)]

    def _live(self, now: float) -> None:
        self.phase = Phase.LIVE
        self.ready_s = self.later_s
        self.failed_resumes = 0
        self._watch = None
        self._live_since = now

    def _invalid(self, frame: Frame) -> list[Action]:
        resumable = bytes(frame.d).strip() == b"true"
        actions: list[Action] = [Close(KEEP_SESSION, "session invalid")]
        if not resumable:
            actions += self._forget("Discord said the session is invalid")
        elif self._resuming:
            actions += self._resume_failed()
        self.attempt += 1
        # Discord asks for a random pause of 1 to 5 s here, whatever the back-off says
        actions.append(self._connect(self.rng.uniform(1.0, 5.0), "invalid session"))
        return actions

    # -- the heartbeat ---------------------------------------------------------------------------

    def tick(self, now: float, *, reading: bool = True) -> list[Action]:
        """What the time asks for. Call it at :meth:`due` or later; early calls do nothing.

        Args:
            reading: False while the reader is stopped because the buffer is full. ACKs cannot be seen
                then, so their absence proves nothing.
        """
        if self.phase not in (Phase.GREETING, Phase.PROVING, Phase.LIVE):
            return []
        if self._watch is not None and now >= self._watch:
            if reading:
                return self._too_late(now)
            self._watch = now + self._patience()
        actions: list[Action] = []
        if self._ask_at is not None and now >= self._ask_at:
            self._ask_at = None
            actions.append(AskIdentify())
        beat = self._beat
        if beat is not None and now >= beat.due:
            if not beat.acked and reading:
                return [Close(KEEP_SESSION, "no heartbeat ACK"), self._again(now, "no heartbeat ACK")]
            beat.acked, beat.sent, beat.due = False, now, now + beat.interval
            actions.append(self._heartbeat())
        return actions

    def due(self) -> float | None:
        """When :meth:`tick` is wanted next; ``None`` while nothing waits for time."""
        if self.phase not in (Phase.GREETING, Phase.PROVING, Phase.LIVE):
            return None
        times = [self._watch, self._ask_at, self._beat.due if self._beat else None]
        return min((time for time in times if time is not None), default=None)

    def reading_again(self, now: float) -> None:
        """The reader goes on after a pause: a beat sent meanwhile gets a full interval for its ACK."""
        if self._beat is not None and not self._beat.acked:
            self._beat.due = now + self._beat.interval

    def _heartbeat(self) -> Send:
        return Send(encode_frame(GatewayOp.HEARTBEAT, self.state.seq if self.state else None), "heartbeat")

    def _acked(self, now: float) -> list[Action]:
        beat = self._beat
        if beat is not None and not beat.acked:
            beat.acked = True
            if beat.sent is not None:
                self.latency = now - beat.sent
        return []

    def _too_late(self, now: float) -> list[Action]:
        wanted = "HELLO" if self.phase is Phase.GREETING else "RESUMED" if self._resuming else "READY"
        actions: list[Action] = [Close(KEEP_SESSION, f"no {wanted}")]
        if self.phase is Phase.PROVING and self._resuming:
            actions += self._resume_failed()
        return [*actions, self._again(now, f"no {wanted} in time")]

    # -- going on --------------------------------------------------------------------------------

    def _forget(self, why: str) -> list[Action]:
        if self.state is None:
            return []
        self.state = None
        self.failed_resumes = 0
        return [Lost(why)]

    def _resume_failed(self) -> list[Action]:
        self.failed_resumes += 1
        if self.failed_resumes < FAILED_RESUMES:
            return []
        return self._forget(f"{FAILED_RESUMES} RESUMEs failed")

    def _patience(self) -> float:
        return min(MAX_READY_S, self.ready_s * 2.0 ** min(self.attempt, 4))

    def _again(self, now: float, reason: str) -> Connect:
        """Connect after the back-off: at once-ish first, then 2, 4, 8 … 30 s, each with jitter."""
        if self._live_since is not None and now - self._live_since >= GOOD_S:
            self.attempt = 0
        delay = min(MAX_BACKOFF_S, 2.0 ** min(self.attempt, 5)) * self.rng.uniform(0.5, 1.0)
        if self.attempt == 0:
            delay = self.rng.uniform(0.05, 0.5)
        self.attempt += 1
        return self._connect(delay, reason)

    def _connect(self, delay: float, reason: str) -> Connect:
        self.phase = Phase.CONNECTING
        self._beat = self._watch = self._ask_at = self._live_since = None
        url = self.state.resume_url if self.state and self.state.resume_url else None
        if self.failed_dials >= DIAL_FAILURES and self.failed_dials % 2:
            url = None
        return Connect(url=url, resume=self.state is not None, delay=delay, reason=reason)
