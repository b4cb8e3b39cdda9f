"""From an admitted message to the :class:`TurnRequest` its turn will read."""

from __future__ import annotations

from shoal.base.ids import snowflake_ms
from shoal.discord.wire import FORUMS
from workers.access.tool_policy import tool_policy
from workers.sessions.ack import ack_of
from workers.sessions.admission.arrival import Arrival, may_forward
from workers.sessions.admission.quoted import quoted
from workers.sessions.canonical import original_of
from workers.sessions.records import (
    Authority,
    ForwardedFrom,
    QueueMode,
    ToolLimits,
    TurnRequest,
)
from workers.sessions.text import FORWARD, attachments_of
from workers.sessions.view import AdmissionView, Settings
from workers.sessions.wire import WireMessage, user_label

__all__ = ["turn_request"]

MAX_CHANNEL_NAME = 100


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
    sender = arrival.sender
    authority: Authority = "owner" if decision.owner else "trusted" if decision.authorized else "guest"
    return TurnRequest(
        account=event.account,
        channel_id=message.channel_id,
        message_id=message.id,
        author_id=sender.id,
        author_name=sender.name,
        author_tag=sender.tag,
        author_username=sender.username,
        author_label=sender.label,
        chat_type=conversation.chat_type,
        agent_id=conversation.agent_id,
        session_key=conversation.session_key,
        text=arrival.text,
        guild_id=message.guild_id,
        is_owner=decision.owner,
        authority=authority,
        command_authorized=decision.authorized,
        owner_hint=decision.owner_hint,
        tools=_tools(arrival, sender.name),
        born_ms=snowflake_ms(message.id),
        received_ms=event.received_ms,
        mode=mode,
        queued=queued,
        was_mentioned=decision.mentioned_by in ("explicit", "mass", "pattern"),
        mentioned_by=decision.mentioned_by,
        mention_required=decision.mention_required,
        updates_route=_updates_route(arrival, view.settings),
        guild_name=surface.guild_name,
        guild_slug=decision.guild.slug if decision.guild else "",
        channel_name=surface.channel_name,
        topic=conversation.surface.topic,
        parent_id=surface.parent_id,
        parent_name=surface.parent_name,
        is_thread=surface.is_thread,
        parent_forum=surface.parent_type in FORUMS,
        coding=conversation.coding,
        guild_entry=decision.guild.key if decision.guild else "",
        channel_entry=decision.channel.key if decision.channel else "",
        member_roles=message.roles or (),
        attachments=attachments_of(message, with_forwarded=may_forward(message, arrival.context)),
        quoted=quoted(arrival, view),
        has_forwarded=_forwards(message),
        forwarded=_forwarded_from(arrival, view),
        message_ids=tuple(part.message.id for part in arrival.parts),
        part_chars=tuple(len(part.text) for part in arrival.parts),
        ack=ack_of(
            view.settings.ack, conversation.chat_type, conversation.agent_id, decision, message.guild_id
        ),
        original_id=original_of(message.id, view) if arrival.facts.sender.pluralkit is not None else "",
    )


def _tools(arrival: Arrival, name: str) -> ToolLimits | None:
    """What the place leaves of the agent's tools to this sender."""
    decision, sender = arrival.decision, arrival.facts.sender
    policy = tool_policy(
        decision.guild.tools if decision.guild is not None else None,
        decision.channel.tools if decision.channel is not None else None,
        sender_id=sender.id,
        username=sender.username,
        name=name,
    )
    return ToolLimits(policy.allow, policy.also_allow, policy.deny) if policy is not None else None


def _updates_route(arrival: Arrival, settings: Settings) -> bool:
    """Of the session that DMs share, announcements stay with its owner, where there is a single one."""
    shared = arrival.conversation.chat_type == "direct" and settings.dm_scope == "main"
    pinned = settings.pinned_owner
    return not shared or pinned is None or pinned == arrival.message.author.id


def _forwards(message: WireMessage) -> bool:
    return bool(message.snapshots) or message.reference_type == FORWARD


def _forwarded_from(arrival: Arrival, view: AdmissionView) -> ForwardedFrom | None:
    """What is known of a forwarded message's origin: author, channel (where we know it), time."""
    message = arrival.message
    if not _forwards(message) or not may_forward(message, arrival.context):
        return None
    author = message.referenced.author if message.referenced is not None else None
    channel_id = message.reference_channel_id
    channel = (view.facts.channel(channel_id) or {}) if channel_id and message.guild_id else {}
    # a channel of another guild has no name here: its members may not be meant to know it
    known = str(channel.get("guild_id") or "") == message.guild_id
    origin = ForwardedFrom(
        author_name=user_label(author) if author is not None else "",
        username=author.username if author is not None else "",
        channel_id=channel_id,
        channel_name=str(channel.get("name") or "")[:MAX_CHANNEL_NAME] if known else "",
        timestamp_ms=snowflake_ms(message.reference_message_id) if message.reference_message_id else 0,
    )
    return origin if origin != ForwardedFrom() else None
