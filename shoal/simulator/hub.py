"""Gateway sessions and who hears what.

A session outlives its socket: every event gets the next sequence number and is kept for RESUME whether or not
somebody is connected. Sockets only carry bytes (:mod:`shoal.simulator.gateway`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from shoal.simulator.faults import Faults
from shoal.simulator.log import EventLog
from shoal.simulator.model import Json
from shoal.simulator.settings import Settings

__all__ = ["Hub", "Session", "Socket"]

GUILD, DM = 0, 1

INTENTS: dict[str, tuple[int | None, int | None]] = {
    # event → (intent bit in guilds, intent bit in DMs); None: not sent there
    **dict.fromkeys(
        ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE",
         "GUILD_ROLE_DELETE", "CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "THREAD_CREATE",
         "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC", "THREAD_MEMBER_UPDATE"), (0, None)),
    "THREAD_MEMBERS_UPDATE": (0, None),
    "CHANNEL_PINS_UPDATE": (0, 12),
    **dict.fromkeys(("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_UPDATE"), (1, None)),
    "WEBHOOKS_UPDATE": (5, None),
    **dict.fromkeys(("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"), (9, 12)),
    **dict.fromkeys(
        ("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_ALL",
         "MESSAGE_REACTION_REMOVE_EMOJI"), (10, 13)),
    "TYPING_START": (11, 14),
}  # fmt: skip
"""Events that need an intent; those not listed are always sent."""


class Socket(Protocol):
    """What a session wants from a connection."""

    def push(self, frame: bytes) -> None:
        """Send a gateway frame."""
        ...

    def strike(self, kind: str, fields: Json) -> None:
        """Let a fault of the connection happen."""
        ...


@dataclass(slots=True)
class Session:
    """A gateway session of one shard of one bot."""

    id: str
    bot_id: str
    intents: int
    shard: tuple[int, int]
    identified_at: float
    seq: int = 0
    resumes: int = 0
    detached_at: float | None = None
    socket: Socket | None = None
    buffer: deque[tuple[int, bytes]] = field(default_factory=deque)
    dropped_to: int = 0
    late: list[bytes] = field(default_factory=list)

    def wants(self, event: str, *, dm: bool) -> bool:
        """Whether the intents ask for an event of this place."""
        bits = INTENTS.get(event)
        if bits is None:
            return True
        bit = bits[DM] if dm else bits[GUILD]
        return bit is not None and bool(self.intents & 1 << bit)

    def covers(self, guild_id: str | None) -> bool:
        """Whether the shard gets events of this guild (None: DMs, shard 0)."""
        number, total = self.shard
        return number == ((int(guild_id) >> 22) % total if guild_id else 0)


class Hub:
    """All sessions."""

    def __init__(self, settings: Settings, faults: Faults, log: EventLog) -> None:
        self.settings = settings
        self.faults = faults
        self.log = log
        self.sessions: dict[str, Session] = {}

    def open(self, bot_id: str, intents: int, shard: tuple[int, int], socket: Socket) -> Session:
        """A new session after IDENTIFY."""
        session = Session(secrets.token_hex(16), bot_id, intents, shard, time.time(), socket=socket)
        self.sessions[session.id] = session
        return session

    def live(self, session_id: str) -> Session | None:
        """A session that can still be resumed."""
        session = self.sessions.get(session_id)
        if session is None:
            return None
        gone = session.detached_at
        if gone is not None and time.monotonic() - gone > self.settings.resume_window_s:
            del self.sessions[session_id]
            return None
        return session

    def detach(self, session: Session, socket: Socket) -> None:
        """The socket of a session is gone."""
        if session.socket is socket:
            session.socket = None
            session.detached_at = time.monotonic()

    def forget(self, session: Session) -> None:
        """End a session for good."""
        session.socket = None
        self.sessions.pop(session.id, None)

    def of_bot(self, bot_id: str) -> list[Session]:
        """Sessions of a bot that are not too old."""
        return [
            s for s in [self.live(i) for i in list(self.sessions)] if s is not None and s.bot_id == bot_id
        ]

    def broadcast(
        self,
        event: str,
        build: Callable[[Session], Json | None],
        *,
        guild_id: str | None = None,
        only: str | None = None,
    ) -> None:
        """Send an event to each session that wants it; ``build`` says what it sees, None for nothing."""
        for session_id in list(self.sessions):
            session = self.live(session_id)
            if session is None or (only is not None and session.bot_id != only):
                continue
            if session.covers(guild_id) and session.wants(event, dm=guild_id is None):
                data = build(session)
                if data is not None:
                    self.send(session, event, data)

    def send(self, session: Session, event: str, data: Json) -> None:
        """Number an event, keep it for RESUME, log it and send it, with the faults that are set."""
        facts = {"bot": session.bot_id, "event": event, "at": "event"}
        if self.faults.look_inside:
            facts["body"] = orjson.dumps(data).decode()
        fault = self.faults.take("gateway_drop_event", **facts)
        if fault is not None:
            self.log.write("fault", fault=fault.kind, id=fault.id, event=event)
            return
        frames = [self._number(session, event, data)]
        if self.faults.take("gateway_duplicate_event", **facts):
            frames.append(self._number(session, event, data))
        delay = self.faults.take("gateway_delay_event", **facts)
        if delay is not None:
            session.late.extend(frames)
            asyncio.get_running_loop().call_later(float(delay.fields["seconds"]), self._flush, session)
        elif session.late:
            session.late.extend(frames)
        else:
            self._push(session, frames)
        strike = self.faults.take(
            "gateway_close",
            "gateway_cut",
            "gateway_reconnect",
            "gateway_invalid_session",
            "gateway_stall",
            **facts,
        )
        if strike is not None and session.socket is not None:
            session.socket.strike(strike.kind, strike.fields)

    def _number(self, session: Session, event: str, data: Json) -> bytes:
        session.seq += 1
        frame = orjson.dumps({"t": event, "s": session.seq, "op": 0, "d": data})
        session.buffer.append((session.seq, frame))
        while len(session.buffer) > self.settings.replay_events:
            session.dropped_to = session.buffer.popleft()[0]
        self.log.write(
            "event",
            bot=session.bot_id,
            session=session.id,
            seq=session.seq,
            event=event,
            data=data,
            sent=session.socket is not None,
        )
        return frame

    def _flush(self, session: Session) -> None:
        frames, session.late = session.late, []
        self._push(session, frames)

    @staticmethod
    def _push(session: Session, frames: list[bytes]) -> None:
        for frame in frames:
            if session.socket is not None:
                session.socket.push(frame)
