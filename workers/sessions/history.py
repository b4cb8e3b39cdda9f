"""What was said in a channel since the bot last spoke there: quoted later, never answered.

Messages that only lacked a mention are kept as entries of a small transcript of their own,
one per account and channel. Entries are ordered by message id, and a turn may see those up
to its trigger; when it has answered it appends a mark, and entries up to the newest mark are
gone for later turns (rule R21). No turn deletes what others wrote, so a message that arrives
between admission and turn can neither be read early nor wiped. The newest :data:`KEEP` entries stay.

Only senders who may talk are recorded: a stranger is never quoted (``spec/inbound.md`` 4.6). What
is edited later is kept once more, and the newest entry of an id counts; what is deleted is struck out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from shoal.base.logging import get_logger
from shoal.state.effects import Effect, Transcript
from shoal.state.sessions import Sessions
from workers.access.facts import SenderFacts
from workers.access.visibility import SHOW_ALL, ContextFilter
from workers.sessions.records import Attachment, TurnRequest

__all__ = ["NOTHING", "HistoryEntry", "Pending", "cleared", "forgotten", "history_id", "pending", "record"]

MAX_BODY = 2000
"""Characters kept of one entry, which is what Discord shows of one message."""

MAX_FILES = 4
"""Files kept of one entry; the addresses end after a day."""

KEEP = 400
"""Entries kept of a channel; the oldest go first. A turn is shown far fewer (``historyLimit``)."""
log = get_logger(__name__)


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message that nobody answered (``spec/decisions.md`` 29), or a mark."""

    message_id: str
    sender: str = ""
    sender_id: str = ""
    timestamp_ms: int = 0
    body: str = ""
    username: str = ""
    tag: str = ""
    roles: tuple[str, ...] | None = None
    """Role ids of the sender when it was written; what ``contextVisibility`` asks. None: not known."""
    files: tuple[Attachment, ...] = ()
    """What came with it."""
    mark: bool = False
    """Entries up to ``message_id`` are done with."""
    gone: bool = False
    """The message was deleted."""


_decoder = msgspec.json.Decoder(HistoryEntry)


@dataclass(frozen=True, slots=True)
class Pending:
    """What a turn may see of what was said: the newest entries, oldest first.

    ``count`` is how many there were before the limit.
    """

    entries: tuple[HistoryEntry, ...] = ()
    count: int = 0

    @property
    def truncated(self) -> bool:
        """Older entries were left out."""
        return self.count > len(self.entries)


NOTHING = Pending()


def history_id(account: str, channel_id: str) -> str:
    """The transcript id under which a channel's unanswered messages are kept."""
    return f"history:{account}:{channel_id}"


def record(account: str, channel_id: str, entry: HistoryEntry) -> Effect:
    """Keep a message for later turns."""
    short = msgspec.structs.replace(entry, body=entry.body[:MAX_BODY], files=entry.files[:MAX_FILES])
    return Transcript(history_id(account, channel_id), [msgspec.json.encode(short)], keep=KEEP)


def forgotten(account: str, channel_id: str, message_ids: Sequence[str]) -> Effect:
    """These messages were deleted: nobody quotes them any more."""
    entries = [msgspec.json.encode(HistoryEntry(message_id, gone=True)) for message_id in message_ids]
    return Transcript(history_id(account, channel_id), entries, keep=KEEP)


def pending(
    sessions: Sessions, request: TurnRequest, limit: int, context: ContextFilter = SHOW_ALL
) -> Pending:
    """What a turn may see: after the last mark, before its trigger, by authors ``context`` shows.

    The newest ``limit`` entries; none in DMs, and none for a limit of 0 (``spec/inbound.md`` 6.8).
    """
    if limit <= 0 or request.chat_type == "direct":
        return NOTHING
    name = history_id(request.account, request.channel_id)
    raw = sessions.transcript(name, last=max(limit * 3, 100))
    entries = _decoded(raw)
    mark = max((int(entry.message_id) for entry in entries if entry.mark), default=0)
    until = int(request.message_id)
    seen: dict[str, HistoryEntry] = {}
    for entry in entries:
        if entry.gone:
            seen.pop(entry.message_id, None)
        elif not entry.mark and mark < int(entry.message_id) < until and _shown(entry, context):
            seen[entry.message_id] = entry
    newest = sorted(seen.values(), key=lambda entry: int(entry.message_id))[-limit:]
    return Pending(tuple(newest), len(seen))


def _decoded(raw: Sequence[bytes]) -> list[HistoryEntry]:
    """The entries that can be read; others (of a newer version) are left out."""
    entries = []
    for line in raw:
        try:
            entry = _decoder.decode(line)
        except msgspec.DecodeError:
            log.warning("a history entry that cannot be read was left out")
            continue
        if entry.message_id.isdigit():
            entries.append(entry)
    return entries


def _shown(entry: HistoryEntry, context: ContextFilter) -> bool:
    if context.mode == "all":
        return True
    author = SenderFacts(entry.sender_id, entry.username, entry.tag, roles=entry.roles)
    return context.shows("history", author)


def cleared(request: TurnRequest) -> Effect:
    """Entries up to the trigger are done with. For the commit of a turn that answered, and only there."""
    mark = HistoryEntry(message_id=request.message_id, mark=True)
    return Transcript(history_id(request.account, request.channel_id), [msgspec.json.encode(mark)], keep=KEEP)
