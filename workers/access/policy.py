"""DM policy and guild policy: may this sender talk here at all?

Closed by default: without a list DMs wait for pairing and no guild is served. Nothing here
looks at mentions; that gate comes after (``workers.access.mentions``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from workers.access.decision import Decision, Reason
from workers.access.entries import AllowList, Match, key_matches
from workers.access.facts import MessageFacts, SenderFacts, Surface
from workers.access.pairing import let_in
from workers.access.settings import AccessSettings, ChannelEntry, GuildEntry

__all__ = ["decide_place", "find_channel", "find_guild", "sender_restriction"]


def decide_place(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """Whether the sender may talk in this place, with the entries that say so."""
    if facts.surface.kind == "direct":
        return _decide_direct(facts.sender, settings, paired=let_in(facts, settings))
    if facts.surface.kind == "group":
        return _decide_group_dm(facts, settings)
    return _decide_guild(facts, settings)


def _decide_direct(sender: SenderFacts, settings: AccessSettings, *, paired: bool = False) -> Decision:
    """DMs (``spec/inbound.md`` 3.1). Unknown people are refused from the first day."""
    if not settings.dm_enabled:
        return Decision.refuse(Reason.DM_DISABLED)
    if settings.dm_policy == "disabled":
        return Decision.refuse(Reason.DM_POLICY)
    match = _match(settings.allow_from, sender, settings)
    if match is not None:
        return Decision(True, match=match)
    if paired:
        return Decision(True, match=Match(sender.id, "id"))
    return Decision.refuse(
        Reason.PAIRING_REQUIRED if settings.dm_policy == "pairing" else Reason.NOT_ALLOWLISTED
    )


def _decide_group_dm(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """Group DMs: switched on, the group listed (or no list), and the sender allowed as in a DM."""
    if not settings.group_dm_enabled:
        return Decision.refuse(Reason.GROUP_DM_DISABLED)
    entries = settings.group_dm_channels
    surface = facts.surface
    if entries is not None and not any(_names_group(entry, surface) for entry in entries):
        return Decision.refuse(Reason.CHANNEL_NOT_LISTED)
    return _decide_direct(facts.sender, settings)


def _names_group(entry: str, surface: Surface) -> bool:
    """Ids, names, tags, mentions, ``channel:`` and ``discord:`` prefixes (``spec/decisions.md`` 10)."""
    text = entry.strip()
    if text == "*":
        return True
    if mention := re.fullmatch(r"<#(\d+)>", text):
        text = mention.group(1)
    for prefix in ("discord:", "channel:"):
        text = text.removeprefix(prefix)
    return bool(text) and key_matches(text, id=surface.channel_id, name=surface.channel_name)


def _decide_guild(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """Guild channels and threads (``spec/inbound.md`` 3.5 with ``spec/decisions.md`` 1, 4, 6)."""
    surface = facts.surface
    if settings.group_policy == "disabled":
        return Decision.refuse(Reason.GUILD_POLICY)
    guild = find_guild(settings.guilds, surface)
    if guild is None:
        if settings.group_policy == "allowlist":
            return Decision.refuse(Reason.GUILD_NOT_LISTED)
        return Decision(True)  # open: an unlisted guild gets the defaults
    channel: ChannelEntry | None = None
    if guild.channels is not None:
        channel = find_channel(guild.channels, surface)
        if channel is None:
            return Decision.refuse(Reason.CHANNEL_NOT_LISTED)
        if not channel.enabled:
            return Decision.refuse(Reason.CHANNEL_DISABLED)
    users, roles = sender_restriction(guild, channel)
    if users is None and roles is None:
        return Decision(True, guild=guild, channel=channel)
    match = _match(users, facts.sender, settings)
    if match is None and not _has_role(roles, facts.sender):
        return Decision.refuse(Reason.SENDER_NOT_LISTED)
    return Decision(True, match=match, guild=guild, channel=channel)


def find_guild(guilds: Mapping[str, GuildEntry] | None, surface: Surface) -> GuildEntry | None:
    """The entry of a guild: by id, by name, then ``"*"``, which is a whole entry and never merged."""
    if not guilds or surface.guild_id is None:
        return None
    if (exact := guilds.get(surface.guild_id)) is not None:
        return exact
    for key, entry in guilds.items():
        if key != "*" and key_matches(key, id=surface.guild_id, name=surface.guild_name):
            return entry
    return guilds.get("*")


def find_channel(channels: Mapping[str, ChannelEntry], surface: Surface) -> ChannelEntry | None:
    """The entry of a channel: its own, its parent's, then ``"*"``. A thread is found by id only."""
    if (exact := channels.get(surface.channel_id)) is not None:
        return exact
    places = [(surface.channel_id, "" if surface.is_thread else surface.channel_name)]
    if surface.is_thread and surface.parent_id:
        places.append((surface.parent_id, surface.parent_name))
    for place, name in places:
        for key, entry in channels.items():
            if key != "*" and key_matches(key, id=place, name=name):
                return entry
    return channels.get("*")


def sender_restriction(
    guild: GuildEntry, channel: ChannelEntry | None
) -> tuple[AllowList | None, frozenset[str] | None]:
    """Which users and roles may talk: the channel's pair if it writes either list, else the guild's.

    ``None`` means "not restricted by this list"; an empty list admits nobody.
    """
    if channel is not None and (channel.users is not None or channel.roles is not None):
        return channel.users, channel.roles
    return guild.users, guild.roles


def _match(entries: AllowList | None, sender: SenderFacts, settings: AccessSettings) -> Match | None:
    if entries is None:
        return None
    return entries.match(sender.id, username=sender.username, tag=sender.tag, by_name=settings.by_name)


def _has_role(roles: frozenset[str] | None, sender: SenderFacts) -> bool:
    """Membership by role. Roles that are not known (no member in the event) satisfy nothing."""
    if not roles:
        return False
    return "*" in roles or not roles.isdisjoint(sender.roles or ())
