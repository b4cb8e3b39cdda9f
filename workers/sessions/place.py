"""Where a message was written, which agent that belongs to, and how the conversation is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.discord.wire import ChannelType, is_thread
from workers.access.facts import Surface
from workers.sessions.keys import channel_key, coding_key, direct_key, group_key, linked_peer
from workers.sessions.records import ChatType
from workers.sessions.routing import Place
from workers.sessions.view import AdmissionView, Settings
from workers.sessions.wire import WireMessage, read_id

__all__ = [
    "Conversation",
    "conversation_at",
    "conversation_of",
    "conversation_of_channel",
    "surface_at",
    "surface_of",
]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A routed place."""

    surface: Surface
    chat_type: ChatType
    agent_id: str
    session_key: str
    matched_by: str
    coding: bool = False
    """It belongs to a coding agent behind ACP (decision 49)."""


def surface_of(message: WireMessage, view: AdmissionView) -> Surface:
    """The place of a message, by what the event says and what is known of its channel."""
    return surface_at(message.channel_id, message.guild_id, message.channel_type, view)


def surface_at(
    channel_id: str, guild_id: str | None, channel_type: int | None, view: AdmissionView
) -> Surface:
    """A channel, thread or DM as a place; ``channel_type`` where the event says it."""
    find = view.facts.channel if guild_id is None else view.facts.place
    channel = find(channel_id) or {}
    kind = channel_type if channel_type is not None else channel.get("type")
    if guild_id is None:
        # an event without guild and without a known type is a DM: a group DM says what it is
        name = "group" if kind == ChannelType.GROUP_DM else "direct"
        return Surface(name, channel_id, _text(channel, "name"))
    guild = view.facts.guild(guild_id) or {}
    thread = isinstance(kind, int) and is_thread(kind)
    parent_id = read_id(channel.get("parent_id")) or None if thread else None
    parent = (view.facts.place(parent_id) or {}) if parent_id else {}
    return Surface(
        kind="channel",
        channel_id=channel_id,
        channel_name=_text(channel, "name"),
        guild_id=guild_id,
        guild_name=_text(guild, "name"),
        parent_id=parent_id,
        parent_name=_text(parent, "name"),
        is_thread=thread,
        thread_owner_id=read_id(channel.get("owner_id")) or None if thread else None,
        topic=_text(parent if thread else channel, "topic"),
        channel_type=kind if isinstance(kind, int) else None,
        parent_type=_kind(parent),
        known=isinstance(kind, int) and (not thread or parent_id is not None),
    )


def conversation_of(message: WireMessage, surface: Surface, settings: Settings) -> Conversation:
    """The conversation a message belongs to (``spec/inbound.md`` 5.1 to 5.3)."""
    return conversation_at(surface, settings, message.author.id, frozenset(message.roles or ()))


def conversation_of_channel(
    channel_id: str, guild_id: str | None, view: AdmissionView
) -> Conversation | None:
    """The conversation of a channel without a message: of a DM only if its recipient is known."""
    surface = surface_at(channel_id, guild_id, None, view)
    user = ""
    if surface.kind == "direct":
        recipients = (view.facts.channel(channel_id) or {}).get("recipients")
        first = recipients[0] if isinstance(recipients, list) and recipients else None
        user = read_id(first.get("id")) if isinstance(first, dict) else read_id(first)
        if not user and view.settings.dm_scope != "main":
            return None
    return conversation_at(surface, view.settings, user, frozenset())


def conversation_at(
    surface: Surface, settings: Settings, user_id: str, roles: frozenset[str]
) -> Conversation:
    """The conversation in which a user with these roles is, in this place."""
    direct = surface.kind == "direct"
    place = Place(
        account=settings.account,
        kind=surface.kind,
        peer_id=user_id if direct else surface.channel_id,
        parent_id=surface.parent_id,
        guild_id=surface.guild_id,
        roles=roles,
    )
    chat_type: ChatType = "direct" if direct else "group" if surface.kind == "group" else "channel"
    coding = settings.routing.coding_agent(place)
    if coding is not None:
        conversation = f"user:{user_id}" if direct else surface.channel_id
        key = coding_key(coding, settings.account, conversation)
        return Conversation(surface, chat_type, coding, key, "binding.acp", coding=True)
    route = settings.routing.route(place)
    if direct:
        peer = linked_peer(user_id, settings.identity_links)
        key = direct_key(route.agent_id, settings.dm_scope, account=settings.account, peer=peer)
    elif chat_type == "group":
        key = group_key(route.agent_id, surface.channel_id)
    else:
        key = channel_key(route.agent_id, surface.channel_id)
    return Conversation(surface, chat_type, route.agent_id, key, route.matched_by)


def _kind(raw: Mapping[str, Any]) -> int | None:
    value = raw.get("type")
    return value if isinstance(value, int) else None


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value[:1024] if isinstance(value, str) else ""
