"""Edits and deletions of messages that still wait (``spec/decisions.md`` 52)."""

from __future__ import annotations

from shoal.state.effects import Push
from shoal.state.records import InboundEvent
from workers.sessions import changes
from workers.sessions.admission.results import Admission
from workers.sessions.keys import session_lane
from workers.sessions.place import Conversation, conversation_of, conversation_of_channel, surface_of
from workers.sessions.text import message_text
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Malformed, read_ids, read_message

__all__ = ["delete", "update"]


def update(event: InboundEvent, view: AdmissionView) -> Admission:
    """An edit reaches a message that still waits. Updates without an edit (embeds, pins) change nothing."""
    try:
        message = read_message(event.data)
    except Malformed:
        return Admission(summary="ignored · partial message-update")
    if not message.edited or message.author.id == view.bot_id:
        return Admission(summary="ignored · message-update without an edit")
    conversation = conversation_of(message, surface_of(message, view), view.settings)
    change = changes.MessageChange(event.account, (message.id,), message_text(message))
    return _change(change, message.edited_timestamp, conversation, view)


def delete(event: InboundEvent, view: AdmissionView) -> Admission:
    """A deleted message that still waits starts nothing. The event names only ids, so the conversation is
    found by its channel; agents chosen by the author's roles cannot be told apart here."""
    ids = read_ids(event.data, "id", "ids")
    channel = read_ids(event.data, "channel_id")
    if not ids or not channel:
        return Admission(summary="ignored · malformed message-delete")
    guild = read_ids(event.data, "guild_id")
    conversation = conversation_of_channel(channel[0], guild[0] if guild else None, view)
    if conversation is None:
        return Admission(summary="ignored · message-delete in an unknown conversation")
    return _change(changes.MessageChange(event.account, tuple(ids[:100])), ids[-1], conversation, view)


def _change(
    change: changes.MessageChange, stamp: str, conversation: Conversation, view: AdmissionView
) -> Admission:
    lane = session_lane(conversation.session_key)
    if view.depth(lane) == 0:
        return Admission(summary="ignored · the message does not wait any more")
    return Admission((Push(lane, changes.change_record(change, stamp)),), "event · message changed")
