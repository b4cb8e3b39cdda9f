"""From an admitted message to the :class:`TurnRequest` its turn will read."""

from __future__ import annotations

from dataclasses import replace

from shoal.base.ids import snowflake_ms
from workers.sessions.admission.arrival import Arrival
from workers.sessions.records import Authority, QueueMode, QuotedMessage, TurnRequest
from workers.sessions.text import attachments_of, message_text
from workers.sessions.view import AdmissionView, Settings
from workers.sessions.wire import WireMessage, user_label, user_tag

__all__ = ["turn_request"]

MAX_QUOTE = 2_000
"""Characters kept of the message that is answered to."""


def turn_request(
    arrival: Arrival, view: AdmissionView, *, mode: QueueMode, queued: bool = False
) -> TurnRequest:
    """Everything the turn has to know; it looks nothing up.

    Args:
        mode: how the message queues.
        queued: its conversation is busy.
    """
    event, message, decision, conversation = (
        arrival.event,
        arrival.message,
        arrival.decision,
        arrival.conversation,
    )
    surface = conversation.surface
    authority: Authority = "owner" if decision.owner else "trusted" if decision.authorized else "guest"
    return TurnRequest(
        account=event.account,
        channel_id=message.channel_id,
        message_id=message.id,
        author_id=message.author.id,
        author_name=user_label(message.author, message.nick),
        author_tag=user_tag(message.author),
        chat_type=conversation.chat_type,
        agent_id=conversation.agent_id,
        session_key=conversation.session_key,
        text=arrival.text,
        guild_id=message.guild_id,
        is_owner=decision.owner,
        authority=authority,
        command_authorized=decision.authorized,
        born_ms=snowflake_ms(message.id),
        received_ms=event.received_ms,
        mode=mode,
        queued=queued,
        was_mentioned=decision.mentioned_by in ("explicit", "mass"),
        mentioned_by=decision.mentioned_by,
        mention_required=decision.mention_required,
        updates_route=_updates_route(arrival, view.settings),
        guild_name=surface.guild_name,
        guild_slug=decision.guild.slug if decision.guild else "",
        channel_name=surface.channel_name,
        topic=conversation.surface.topic,
        parent_id=surface.parent_id,
        is_thread=surface.is_thread,
        guild_entry=decision.guild.key if decision.guild else "",
        channel_entry=decision.channel.key if decision.channel else "",
        member_roles=message.roles or (),
        attachments=attachments_of(message),
        quoted=_quoted(message, view),
        has_forwarded=bool(message.snapshots) or message.reference_type == 1,
    )


def _updates_route(arrival: Arrival, settings: Settings) -> bool:
    """Of the session that DMs share, announcements stay with its owner, where there is a single one."""
    shared = arrival.conversation.chat_type == "direct" and settings.dm_scope == "main"
    pinned = settings.pinned_owner
    return not shared or pinned is None or pinned == arrival.message.author.id


def _quoted(message: WireMessage, view: AdmissionView) -> QuotedMessage | None:
    """The answered message, where Discord sent it along and it says something."""
    answered = message.referenced
    if answered is None or message.reference_type == 1:
        return None
    text = message_text(replace(answered, referenced=None))
    if not text:
        return None
    return QuotedMessage(
        message_id=answered.id,
        author_id=answered.author.id,
        author_name=user_label(answered.author, answered.nick),
        text=text[:MAX_QUOTE],
        by_bot=answered.author.id == view.bot_id,
        timestamp_ms=snowflake_ms(answered.id),
    )
