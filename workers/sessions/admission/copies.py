"""Originals and their copies: of a message that PluralKit replaces, one is answered (decision 12)."""

from __future__ import annotations

from shoal.state.effects import Effect, Push
from workers.sessions.admission.arrival import Arrival
from workers.sessions.admission.hold import replaced_by_proxy
from workers.sessions.canonical import DUPLICATE_REASON, REPLACED_REASON, is_spoken_for, original_of
from workers.sessions.changes import MessageChange, change_record
from workers.sessions.keys import session_lane
from workers.sessions.view import AdmissionView

__all__ = ["one_of_two"]


def one_of_two(arrival: Arrival, view: AdmissionView) -> tuple[str, tuple[Effect, ...]]:
    """Why this one of the two is not answered (empty: it is), and what it does to the other.

    A copy ends the turn of its original if that still waits. A turn that begins meanwhile is seen by the
    turn of the copy, which comes behind it in the same lane and asks again.
    """
    account, message = arrival.event.account, arrival.message
    if replaced_by_proxy(message, account, arrival.answers):
        return REPLACED_REASON, ()
    if arrival.facts.sender.pluralkit is None or not (original := original_of(message.id, view)):
        return "", ()
    story = view.holds.stories([original])[0]
    if is_spoken_for(story):
        return DUPLICATE_REASON, ()
    session = dict(story.notes).get("session") if story is not None and story.outcome is None else None
    if session is None:
        return "", ()
    change = change_record(MessageChange(account, (original,)), message.id)
    return "", (Push(session_lane(session), change),)
