"""What was said in a channel since the bot last spoke there: quoted later, never answered.

Messages that only lacked a mention are kept as entries of a small transcript of their own,
one per account and channel. Entries are ordered by message id, and a turn may see those up
to its trigger; when it has answered it appends a mark, and entries up to the newest mark are
gone for later turns (rule R21). No turn deletes what others wrote, so a message that arrives
between admission and turn can neither be read early nor wiped. The newest :data:`KEEP` entries stay.

Only senders who may talk are recorded: a stranger is never quoted (``spec/inbound.md`` 4.6).
"""

from __future__ import annotations

import msgspec

from shoal.state.effects import Effect, Transcript
from shoal.state.sessions import Sessions
from workers.sessions.records import TurnRequest

__all__ = ["HistoryEntry", "cleared", "history_id", "pending", "record"]

MAX_BODY = 2000
"""Characters kept of one entry, which is what Discord shows of one message."""

KEEP = 400
"""Entries kept of a channel; the oldest go first. A turn is shown far fewer (``historyLimit``)."""


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message that nobody answered (``spec/decisions.md`` 29), or a mark."""

    message_id: str
    sender: str = ""
    sender_id: str = ""
    timestamp_ms: int = 0
    body: str = ""
    mark: bool = False
    """Entries up to ``message_id`` are done with."""


def history_id(account: str, channel_id: str) -> str:
    """The transcript id under which a channel's unanswered messages are kept."""
    return f"history:{account}:{channel_id}"


def record(account: str, channel_id: str, entry: HistoryEntry) -> Effect:
    """Keep a message for later turns."""
    short = msgspec.structs.replace(entry, body=entry.body[:MAX_BODY])
    return Transcript(history_id(account, channel_id), [msgspec.json.encode(short)], keep=KEEP)


def pending(sessions: Sessions, request: TurnRequest, limit: int) -> list[HistoryEntry]:
    """The newest ``limit`` entries a turn may see, oldest first: after the mark, before its trigger."""
    if limit <= 0 or request.chat_type == "direct":
        return []
    name = history_id(request.account, request.channel_id)
    raw = sessions.transcript(name, last=max(limit * 3, 100))
    entries = [msgspec.json.decode(line, type=HistoryEntry) for line in raw]
    mark = max((int(entry.message_id) for entry in entries if entry.mark), default=0)
    until = int(request.message_id)
    seen = {
        entry.message_id: entry
        for entry in entries
        if not entry.mark and mark < int(entry.message_id) < until
    }
    return sorted(seen.values(), key=lambda entry: int(entry.message_id))[-limit:]


def cleared(request: TurnRequest) -> Effect:
    """Entries up to the trigger are done with. For the commit of a turn that answered, and only there."""
    mark = HistoryEntry(message_id=request.message_id, mark=True)
    return Transcript(history_id(request.account, request.channel_id), [msgspec.json.encode(mark)], keep=KEEP)
