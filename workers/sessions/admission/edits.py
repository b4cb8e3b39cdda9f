"""Edits and deletions: they follow a message to where it waits (``spec/decisions.md`` 52).

The story of a message says where it went: into a hold lane, into a session's lane, or into the
pending history of its channel. What has begun, or is answered, is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal.state.effects import Effect, Push
from shoal.state.ledger import Explanation, Outcome
from shoal.state.records import InboundEvent
from workers.sessions import changes, history
from workers.sessions.admission.arrival import Part
from workers.sessions.admission.hold import hold_push
from workers.sessions.admission.noting import history_entry
from workers.sessions.admission.results import Admission
from workers.sessions.identity import identity_of
from workers.sessions.keys import session_lane
from workers.sessions.text import message_text
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Malformed, WireMessage, read_ids, read_message

__all__ = ["delete", "follow", "update"]

MAX_DELETED = 100
"""Messages of one bulk deletion, which is what Discord allows."""
MAX_EFFECTS = 60

_NOWHERE = Admission(summary="ignored · the message does not wait any more")


def follow(event: InboundEvent, view: AdmissionView) -> Admission:
    """An edit or a deletion, to wherever its message is now."""
    return update(event, view) if event.event == "MESSAGE_UPDATE" else delete(event, view)


def update(event: InboundEvent, view: AdmissionView) -> Admission:
    """An edit reaches a message that still waits. Updates without an edit (embeds, pins) change nothing."""
    try:
        message = read_message(event.data)
    except Malformed:
        return Admission(summary="ignored · partial message-update")
    if not message.edited or message.author.id == view.bot_id:
        return Admission(summary="ignored · message-update without an edit")
    stamp = "".join(char for char in message.edited_timestamp if char.isdigit())[:40] or "0"
    story = view.holds.stories([message.id])[0]
    if story is not None and story.outcome is Outcome.HISTORY:
        return _noted(event, message)
    change = changes.MessageChange(event.account, (message.id,), message_text(message))
    return _sent(_places([message.id], [story]), event, change, stamp, view)


def delete(event: InboundEvent, view: AdmissionView) -> Admission:
    """A deleted message that still waits starts nothing, and one that was noted is not quoted any more."""
    ids = read_ids(event.data, "id", "ids")[:MAX_DELETED]
    channel = read_ids(event.data, "channel_id")
    if not ids or not channel:
        return Admission(summary="ignored · malformed message-delete")
    stories = view.holds.stories(ids)
    noted = [
        name
        for name, story in zip(ids, stories, strict=True)
        if story is not None and story.outcome is Outcome.HISTORY
    ]
    change = changes.MessageChange(event.account, tuple(ids))
    sent = _sent(_places(ids, stories), event, change, ids[-1], view)
    if not noted:
        return sent
    forgotten = history.forgotten(event.account, channel[0], noted)
    return Admission((forgotten, *sent.effects), "event · message deleted")


def _places(ids: Sequence[str], stories: Sequence[Explanation | None]) -> dict[str, str]:
    """Lane → one of the messages, for the lanes in which messages may wait."""
    found: dict[str, str] = {}
    for name, story in zip(ids, stories, strict=True):
        if story is None or story.outcome is not None:
            continue
        notes = dict(story.notes)  # the last of a name counts
        if session := notes.get("session"):
            found.setdefault(session_lane(session), name)
        elif held := notes.get("hold"):
            found.setdefault(held.split(" ", 1)[0], name)
    return found


def _sent(
    places: dict[str, str],
    event: InboundEvent,
    change: changes.MessageChange,
    stamp: str,
    view: AdmissionView,
) -> Admission:
    """The change, pushed to each lane: as it came into hold lanes, as a change into those of sessions."""
    effects: list[Effect] = []
    for lane, message_id in places.items():
        if view.depth(lane) == 0 or len(effects) >= MAX_EFFECTS:
            continue
        if lane.startswith("hold:"):
            kind = "edit" if event.event == "MESSAGE_UPDATE" else "gone"
            effects.append(hold_push(lane, event, f"{message_id}.{stamp}", kind=kind))
        else:
            effects.append(Push(lane, changes.change_record(change, stamp)))
    return Admission(tuple(effects), "event · message changed") if effects else _NOWHERE


def _noted(event: InboundEvent, message: WireMessage) -> Admission:
    """A message of the pending history has another text now; the newest entry of an id counts."""
    text = message_text(message)
    if not text:
        return _NOWHERE
    entry = history_entry(Part(message, text), identity_of(message.author, message.nick))
    kept = history.record(event.account, message.channel_id, entry)
    return Admission((kept,), "event · message changed")
