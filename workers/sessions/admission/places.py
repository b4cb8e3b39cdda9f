"""Places that go away: deleted channels and threads, archived and locked threads, a guild we are no
longer in (``spec/decisions.md`` 53, ``spec/inbound.md`` 5.6).

What runs or waits there ends with a reason, in the lanes of every agent that has one for the
place: which agent answers may depend on who wrote. Nothing is pushed, so nothing loops.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from shoal.state.effects import SessionPut
from shoal.state.records import InboundEvent
from workers.sessions.admission.results import Admission, StopBound
from workers.sessions.keys import channel_key, group_key, session_lane
from workers.sessions.view import AdmissionView
from workers.sessions.wire import read_ids

__all__ = ["channel_gone", "guild_gone", "thread_update"]

MAX_ENDED = 200
"""Lanes one event ends."""


class _Shut(msgspec.Struct):
    archived: bool | None = None
    locked: bool | None = None
    archive_timestamp: str = ""


class _Thread(msgspec.Struct):
    thread_metadata: _Shut = msgspec.field(default_factory=_Shut)


def channel_gone(event: InboundEvent, view: AdmissionView) -> Admission:
    """A channel or thread was deleted."""
    reason = "thread-deleted" if event.event == "THREAD_DELETE" else "channel-deleted"
    keys = _keys(event, view)
    return _ended(event, [session_lane(key) for key in keys], _at_ms(event), reason, view)


def guild_gone(event: InboundEvent, view: AdmissionView) -> Admission:
    """We were removed from a guild, or it is no more: everything of it ends."""
    guild = read_ids(event.data, "id")
    lanes = view.guild_lanes(guild[0]) if guild else []
    return _ended(event, lanes, _at_ms(event), "guild-removed", view)


def thread_update(event: InboundEvent, view: AdmissionView) -> Admission:
    """An archived or locked thread ends what was begun there; an archived one starts afresh next time."""
    try:
        thread = msgspec.json.decode(event.data, type=_Thread).thread_metadata
    except msgspec.DecodeError:
        thread = _Shut()
    if thread.archived is not True and thread.locked is not True:
        return Admission(summary="ignored · thread-update")
    # Discord's own time where it tells it, so that a message written right after is not covered
    at_ms = _ms(thread.archive_timestamp) if thread.archived else 0
    at_ms = at_ms or _at_ms(event)
    keys = _keys(event, view)
    reason = "thread-archived" if thread.archived else "thread-locked"
    ended = _ended(event, [session_lane(key) for key in keys], at_ms, reason, view)
    if not thread.archived:
        return ended
    resets = tuple(SessionPut(key, {"reset_before_ms": str(at_ms)}) for key in view.known(keys))
    return replace(ended, effects=resets)


def _ended(event: InboundEvent, lanes: list[str], at_ms: int, reason: str, view: AdmissionView) -> Admission:
    what = event.event.lower().replace("_", "-")
    busy = view.busy(lanes)[:MAX_ENDED]
    if not busy:
        return Admission(summary=f"event · {what}")
    return Admission(
        summary=f"event · {what} · {reason}", ends=tuple(StopBound(lane, at_ms, "", reason) for lane in busy)
    )


def _keys(event: InboundEvent, view: AdmissionView) -> list[str]:
    """Keys of a channel's conversation, one for each agent."""
    channel, guild = read_ids(event.data, "id"), read_ids(event.data, "guild_id")
    if not channel:
        return []
    key = channel_key if guild else group_key
    return [key(agent, channel[0]) for agent in view.settings.routing.everyone]


def _at_ms(event: InboundEvent) -> int:
    """When it happened, by the clock that the births of what waits there come from."""
    return event.born_ms or event.received_ms


def _ms(stamp: str) -> int:
    try:
        return int(datetime.fromisoformat(stamp).timestamp() * 1000)
    except ValueError:
        return 0
