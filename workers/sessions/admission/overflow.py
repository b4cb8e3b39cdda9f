"""Too many messages wait in a conversation (``messages.queue.cap`` and ``drop``, ``spec/inbound.md`` 5.4).

Counted for each place of a conversation, so that one person's flood in the session that DMs
share pushes nobody else out. In one place nobody gives way to somebody with less authority: a
stranger's flood ends with the strangers. Only looked at when the lane is long: the ordinary
message costs nothing here.
"""

from __future__ import annotations

import msgspec

from shoal.state.effects import Effect, GiveWay
from shoal.state.records import Record
from workers.sessions.keys import session_lane
from workers.sessions.queueing import QueueSettings
from workers.sessions.records import KIND, RANK, TurnRequest, decode_turn
from workers.sessions.view import AdmissionView

__all__ = ["QUEUE_FULL", "QUEUE_OVERFLOW", "make_room"]

QUEUE_FULL = "queue-full"
"""Reason of a newest message that was refused, or gave way to one with more authority (``drop: "new"``)."""
QUEUE_OVERFLOW = "queue-overflow"
"""Reason of an oldest message that gave way (``drop: "old"`` and ``"summarize"``)."""

SUMMARY_CHARS = 140
MOST_AT_ONCE = 20


def make_room(request: TurnRequest, queue: QueueSettings, view: AdmissionView) -> tuple[Effect, ...] | None:
    """What gives way to a message; nothing where there is room, ``None``: the message itself.

    The lowest authority goes first. Of the message's own it is the oldest (``drop: "new"``: the message
    itself), of those above it none.
    """
    lane = session_lane(request.session_key)
    place = f"{request.account}|{request.channel_id}|"
    waiting = [record for record in view.waiting(lane) if _counts(record, place)]
    surplus = len(waiting) + 1 - queue.cap
    if surplus <= 0:
        return ()
    rank, newest = RANK[request.authority], queue.drop == "new"
    going = sorted(
        (each for each in (reversed(waiting) if newest else waiting) if _rank(each) < rank + (not newest)),
        key=_rank,  # the order of the lane among equals
    )[:surplus]
    if len(going) < surplus:
        return None
    found: list[Effect] = []
    reason = QUEUE_FULL if newest else QUEUE_OVERFLOW
    for record in going[:MOST_AT_ONCE]:
        given = _decoded(record)
        ids = given.all_message_ids if given is not None else (record.message_id,)
        told = _line(given) if given is not None and queue.drop == "summarize" else b""
        found.append(GiveWay(lane, record.identity, record.account, ids, reason, request.channel_id, told))
    return tuple(found)


def _counts(record: Record, place: str) -> bool:
    return record.kind == KIND and record.scope.startswith(place)


def _rank(record: Record) -> int:
    """Authority of a waiting message, as its scope names it; the lowest where it names none."""
    return RANK.get(record.scope.split("|")[2], 0)


def _decoded(record: Record) -> TurnRequest | None:
    try:
        return decode_turn(record.body)
    except msgspec.DecodeError:
        return None  # written by another release: it gives way all the same


def _line(request: TurnRequest) -> bytes:
    """``name: beginning of the text``, on one line."""
    text = " ".join(request.text.split())
    short = text if len(text) <= SUMMARY_CHARS else f"{text[:SUMMARY_CHARS]}…"
    return f"{' '.join(request.author_name.split())[:80]}: {short}".encode("utf-8", "replace")[:900]
