"""Whether a message in mode ``interrupt`` ends what is older (rule R7).

It does like a stop that nobody asked for, so it has to be its author's to give: the turns are the author's
own, or those of somebody over whom the author has authority. Else it waits for them like a ``followup``.
Where DMs share a session one person's message ends no other's turn.
"""

from __future__ import annotations

import msgspec

from workers.sessions.auto_threads import in_thread
from workers.sessions.keys import session_lane
from workers.sessions.records import KIND, RANK, TurnRequest, decode_turn
from workers.sessions.view import AdmissionView

__all__ = ["may_interrupt"]


def may_interrupt(request: TurnRequest, view: AdmissionView) -> bool:
    """Whether everything that runs or waits in the conversation of a message may end for it."""
    placed = in_thread(request)
    lane = session_lane(placed.session_key)
    head = view.head(lane)
    records = [*([head] if head is not None else []), *view.waiting(lane)]
    try:
        older = [in_thread(decode_turn(record.body)) for record in records if record.kind == KIND]
    except msgspec.DecodeError:
        return False  # written by another release: nobody here can tell whose it is
    return all(_may_end(placed, each) for each in older)


def _may_end(newer: TurnRequest, older: TurnRequest) -> bool:
    if newer.author_id == older.author_id:
        return True
    mine, theirs = RANK[newer.authority], RANK[older.authority]
    if (newer.account, newer.channel_id) != (older.account, older.channel_id):
        return mine > theirs
    return mine >= theirs and mine > 0  # in one place whoever may command may stop, too
