"""When a conversation starts afresh (``spec/inbound.md`` 5.11).

A *rolled* session gets a new transcript; the old one stays where it is. Whichever comes first
ends a transcript: an hour of the day (04:00 local time unless configured), a time without a
message, ``/new``, or a thread that was archived. Everything is computed from the birth of the
message that asks, which is Discord's clock and never changes: a turn that is resumed elsewhere
comes to the same answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from config.schema.session import SessionConfig, SessionReset
from workers.sessions.state import SessionState

__all__ = [
    "DAILY_AT_HOUR",
    "ResetPolicy",
    "Roll",
    "SessionKind",
    "derived_session_id",
    "reset_policy",
    "roll",
]

SessionKind = Literal["direct", "group", "thread"]
"""What ``session.resetByType`` tells apart: DMs, channels and group DMs, threads."""

DAILY_AT_HOUR = 4
IDLE_MINUTES = 60
"""Of ``mode: "idle"`` without ``idleMinutes``."""

Roll = Literal["", "command", "archived", "daily", "idle"]
"""Why a transcript is not gone on with; empty where it is."""


@dataclass(frozen=True, slots=True)
class ResetPolicy:
    """When transcripts end by themselves.

    Attributes:
        at_hour: hour of the day, local time; ``None`` is never.
        idle_ms: time without a message; ``None`` is for ever.
        zone: of ``at_hour``; ``None`` is this machine's.
    """

    at_hour: int | None = DAILY_AT_HOUR
    idle_ms: int | None = None
    zone: tzinfo | None = None


def reset_policy(config: SessionConfig, kind: SessionKind) -> ResetPolicy:
    """The policy for conversations of a kind: of the channel, else of the kind over ``session.reset``."""
    channel = config.reset_by_channel.get("discord")
    typed = None if channel is not None else _of_kind(config, kind)
    layers = [layer for layer in (typed, channel or config.reset) if layer is not None]
    mode = next((layer.mode for layer in layers if layer.mode is not None), None)
    hour = next((layer.at_hour for layer in layers if layer.at_hour is not None), DAILY_AT_HOUR)
    idle = next((layer.idle_minutes for layer in layers if layer.idle_minutes is not None), None)
    if idle is None:
        idle = config.idle_minutes
    if mode is None:
        mode = "idle" if not layers and idle is not None else "daily"
    if mode == "idle" and idle is None:
        idle = IDLE_MINUTES
    return ResetPolicy(hour if mode == "daily" else None, None if idle is None else int(idle * 60_000))


def _of_kind(config: SessionConfig, kind: SessionKind) -> SessionReset | None:
    by_type = config.reset_by_type
    if kind == "direct":
        return by_type.direct if by_type.direct is not None else by_type.dm
    return by_type.thread if kind == "thread" else by_type.group


def roll(state: SessionState, policy: ResetPolicy, born_ms: int) -> Roll:
    """Why the message born at ``born_ms`` does not go on with the transcript of ``state``."""
    if not state.session_id or not born_ms:
        return ""
    if state.started_ms <= state.reset_before_ms < born_ms:
        return "archived"
    if policy.at_hour is not None and state.started_ms < _boundary(born_ms, policy.at_hour, policy.zone):
        return "daily"
    if policy.idle_ms is not None and born_ms - state.last_ms > policy.idle_ms:
        return "idle"
    return ""


def _boundary(at_ms: int, hour: int, zone: tzinfo | None) -> int:
    """The newest moment of that hour of the day which is not after ``at_ms``."""
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    found = _moment(local, hour, zone)
    if found > at_ms:
        found = _moment(local - timedelta(days=1), hour, zone)
    return found


def _moment(day: datetime, hour: int, zone: tzinfo | None) -> int:
    # made anew from the date, so that the offset is that of the hour itself (summer time)
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=zone).timestamp() * 1000)


def derived_session_id(session_key: str, cause: str) -> str:
    """Id of the transcript that the turn ``cause`` begins: the same however often that turn is resumed."""
    return hashlib.blake2b(f"{session_key}\x00{cause}".encode(), digest_size=16).hexdigest()
