"""From an admitted message to the :class:`TurnRequest` its turn will read."""

from __future__ import annotations

from functools import partial

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
    known = (_sender(arrival), _place(arrival), _access(arrival, view), _content(arrival, view))
    fields = {name: value for part in known for name, value in part.keywords.items()}
    return TurnRequest(**fields, mode=mode, queued=queued)


# partial(TurnRequest, …) says some of its fields, with their names and types checked


def _sender(arrival: Arrival) -> partial[TurnRequest]:
    """Who wrote."""
    sender = arrival.sender
    return partial(
        TurnRequest,
        author_id=sender.id,
        author_name=sender.name,
        author_tag=sender.tag,
        author_username=sender.username,
        author_label=sender.label,
        member_roles=arrival.message.roles or (),
        tools=_tools(arrival, sender.name),
    )


def _place(arrival: Arrival) -> partial[TurnRequest]:
    """Where, and which conversation that is."""
    message, decision, conversation = arrival.message, arrival.decision, arrival.conversation
    surface = conversation.surface
    return partial(
        TurnRequest,
        account=arrival.event.account,
        channel_id=message.channel_id,
        chat_type=conversation.chat_type,
        agent_id=conversation.agent_id,
        session_key=conversation.session_key,
        coding=conversation.coding,
        guild_id=message.guild_id,
        guild_name=surface.guild_name,
        guild_slug=decision.guild.slug if decision.guild else "",
        guild_entry=decision.guild.key if decision.guild else "",
        channel_name=surface.channel_name,
        channel_entry=decision.channel.key if decision.channel else "",
        topic=surface.topic,
        parent_id=surface.parent_id,
        parent_name=surface.parent_name,
        is_thread=surface.is_thread,
        parent_forum=surface.parent_type in FORUMS,
    )


def _access(arrival: Arrival, view: AdmissionView) -> partial[TurnRequest]:
    """What was decided about it."""
    decision, conversation = arrival.decision, arrival.conversation
    authority: Authority = "owner" if decision.owner else "trusted" if decision.authorized else "guest"
    return partial(
        TurnRequest,
        is_owner=decision.owner,
        authority=authority,
        command_authorized=decision.authorized,
        owner_hint=decision.owner_hint,
        was_mentioned=decision.mentioned_by in ("explicit", "mass", "pattern"),
        mentioned_by=decision.mentioned_by,
        mention_required=decision.mention_required,
        updates_route=_updates_route(arrival, view.settings),
        ack=ack_of(
            view.settings.ack,
            conversation.chat_type,
            conversation.agent_id,
            decision,
            arrival.message.guild_id,
        ),
    )


def _content(arrival: Arrival, view: AdmissionView) -> partial[TurnRequest]:
    """What was written, and what came with it."""
    message = arrival.message
    return partial(
        TurnRequest,
        message_id=message.id,
        message_ids=tuple(part.message.id for part in arrival.parts),
        original_id=original_of(message.id, view) if arrival.facts.sender.pluralkit is not None else "",
        born_ms=snowflake_ms(message.id),
        received_ms=arrival.event.received_ms,
        text=arrival.text,
        part_chars=tuple(len(part.text) for part in arrival.parts),
        attachments=attachments_of(message, with_forwarded=may_forward(message, arrival.context)),
        quoted=quoted(arrival, view),
        has_forwarded=_forwards(message),
        forwarded=_forwarded_from(arrival, view),
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
