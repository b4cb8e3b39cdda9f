"""Places that go away: deleted channels, archived and locked threads (``spec/decisions.md`` 53)."""

from __future__ import annotations

import msgspec

from shoal.state.records import InboundEvent
from workers.sessions.admission.results import Admission, StopBound
from workers.sessions.keys import session_lane
from workers.sessions.place import conversation_of_channel
from workers.sessions.view import AdmissionView
from workers.sessions.wire import read_ids

__all__ = ["gone", "thread_update"]


class _Shut(msgspec.Struct):
    archived: bool | None = None
    locked: bool | None = None


class _Thread(msgspec.Struct):
    thread_metadata: _Shut = msgspec.field(default_factory=_Shut)


def thread_update(event: InboundEvent, view: AdmissionView) -> Admission:
    """A thread that was archived or locked is shut; other updates change nothing."""
    if not _shut(event):
        return Admission(summary="ignored · thread-update")
    return gone(event, view)


def _shut(event: InboundEvent) -> bool:
    """A thread was archived or locked."""
    try:
        thread = msgspec.json.decode(event.data, type=_Thread).thread_metadata
    except msgspec.DecodeError:
        return False
    return thread.archived is True or thread.locked is True


def gone(event: InboundEvent, view: AdmissionView) -> Admission:
    """A place is gone or shut: what was begun there ends as stopped, nothing loops (decision 53)."""
    what = event.event.lower().replace("_", "-")
    channel, guild = read_ids(event.data, "id"), read_ids(event.data, "guild_id")
    conversation = conversation_of_channel(channel[0], guild[0], view) if channel and guild else None
    lane = session_lane(conversation.session_key) if conversation else ""
    if not lane or view.depth(lane) == 0:
        return Admission(summary=f"event · {what}")
    return Admission(summary=f"event · {what} · stopped", stop=StopBound(lane, event.received_ms, ""))
