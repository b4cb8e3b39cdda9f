"""DM policy and guild policy: may this sender talk here at all?

Closed by default: without a list DMs wait for pairing and no guild is served. Nothing here
looks at mentions; that gate comes after (:mod:`workers.access.mentions`). Messages, reactions,
service messages, component clicks and slash commands all come through :func:`decide_place`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from workers.access.decision import Decision, Reason
from workers.access.entries import Match
from workers.access.facts import MessageFacts, Surface
from workers.access.guilds import sender_restriction
from workers.access.needs import ChannelNeeded, GuildNeeded
from workers.access.pairing import let_in
from workers.access.senders import admit, admit_member
from workers.access.settings import AccessSettings
from workers.access.slugs import key_matches

__all__ = ["decide_place", "decide_room"]


def decide_place(facts: MessageFacts, settings: AccessSettings, *, membership: bool = True) -> Decision:
    """Whether the sender may talk in this place, with the entries that say so.

    Args:
        membership: ask ``users`` and ``roles`` of the guild as well; reactions do so only in mode
            ``allowlist`` (decision 7). DMs and group DMs always ask their list.
    """
    room = decide_room(facts.surface, settings)
    if not room.allowed:
        return room
    if facts.surface.kind == "direct":
        return _direct_sender(facts, settings)
    if facts.surface.kind == "group":
        return _group_sender(facts, settings)
    return _member(facts, settings, room) if membership else room


def decide_room(surface: Surface, settings: AccessSettings) -> Decision:
    """Whether anybody may talk in this place; the sender is not looked at."""
    if surface.kind == "direct":
        if not settings.dm_enabled:
            return Decision.refuse(Reason.DM_DISABLED)
        if settings.dm_policy == "disabled":
            return Decision.refuse(Reason.DM_POLICY)
        return Decision(True)
    if surface.kind == "group":
        return _group_room(surface, settings)
    return _guild_room(surface, settings)


def _direct_sender(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """DMs (``spec/inbound.md`` 3.1). The pairing store counts under policy ``pairing`` only, and a bound
    conversation changes nothing (decision 2)."""
    listed = admit(settings.allow_from, facts, by_name=settings.by_name)
    if listed.match is not None:
        return Decision(True, match=listed.match)
    if settings.dm_policy != "pairing":
        return Decision.refuse(Reason.NOT_ALLOWLISTED, needs=listed.needs)
    if let_in(facts, settings):
        return Decision(True, match=Match(facts.sender.id, "pairing"))
    return Decision.refuse(Reason.PAIRING_REQUIRED, needs=listed.needs)


def _group_room(surface: Surface, settings: AccessSettings) -> Decision:
    """Group DMs: switched on, and the group listed where there is a list (decision 10)."""
    if not settings.group_dm_enabled:
        return Decision.refuse(Reason.GROUP_DM_DISABLED)
    if settings.dm_policy == "disabled":
        return Decision.refuse(Reason.DM_POLICY)
    entries = settings.group_dm_channels
    if entries is not None and not any(_names_group(entry, surface) for entry in entries):
        return Decision.refuse(Reason.CHANNEL_NOT_LISTED)
    return Decision(True)


def _group_sender(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """A group DM has strangers in it, so its senders need the list. Pairing opens DMs only, and no code is
    ever shown to a group."""
    listed = admit(settings.allow_from, facts, by_name=settings.by_name)
    if listed.match is None:
        return Decision.refuse(Reason.NOT_ALLOWLISTED, needs=listed.needs)
    return Decision(True, match=listed.match)


def _names_group(entry: str, surface: Surface) -> bool:
    """Ids, names, tags, mentions, ``channel:`` and ``discord:`` prefixes (decision 10)."""
    text = entry.strip()
    if text == "*":
        return True
    if mention := re.fullmatch(r"<#(\d+)>", text):
        text = mention.group(1)
    for prefix in ("discord:", "channel:"):
        text = text.removeprefix(prefix)
    return bool(text) and key_matches(text, id=surface.channel_id, name=surface.channel_name)


def _guild_room(surface: Surface, settings: AccessSettings) -> Decision:
    """Guild channels and threads (``spec/inbound.md`` 3.5 with decisions 1, 4 and 6)."""
    if settings.group_policy == "disabled":
        return Decision.refuse(Reason.GUILD_POLICY)
    if settings.guilds.needs_name(surface):
        return Decision.refuse(Reason.GUILD_UNKNOWN, needs=frozenset({GuildNeeded(surface.guild_id or "")}))
    guild = settings.guilds.find(surface)
    if guild is None:
        if settings.group_policy == "allowlist":
            return Decision.refuse(Reason.GUILD_NOT_LISTED)
        return Decision(True)  # open: an unlisted guild gets the defaults
    if guild.channels is None:
        return Decision(True, guild=guild)
    if guild.channels.needs_place(surface):
        needed = frozenset({ChannelNeeded(surface.channel_id)})
        return Decision.refuse(Reason.CHANNEL_UNKNOWN, needs=needed, guild=guild)
    channel = guild.channels.find(surface)
    if channel is None:
        return Decision.refuse(Reason.CHANNEL_NOT_LISTED, guild=guild)
    if not channel.enabled:
        return Decision.refuse(Reason.CHANNEL_DISABLED, guild=guild, channel=channel)
    return Decision(True, guild=guild, channel=channel)


def _member(facts: MessageFacts, settings: AccessSettings, room: Decision) -> Decision:
    """The sender against ``users`` and ``roles``, where they are written."""
    users, roles = sender_restriction(room.guild, room.channel)
    if users is None and roles is None:
        return room
    member = admit_member(users, roles, facts, by_name=settings.by_name)
    if member.match is not None:
        return replace(room, match=member.match)
    unknown = roles and facts.sender.roles is None
    reason = Reason.MEMBER_UNKNOWN if unknown else Reason.SENDER_NOT_LISTED
    return Decision.refuse(reason, needs=member.needs, guild=room.guild, channel=room.channel)
