"""The mention gate: in a guild the bot speaks when it is spoken to (``spec/inbound.md`` 4.3, 4.4).

Named is: the bot's id among the mentions, or an answer to one of its messages. A role is no
mention of the bot, and neither are ``@everyone`` and ``@here`` unless ``wakeOnMassMentions``
says so (``spec/decisions.md`` 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.access.decision import MentionedBy, Reason
from workers.access.facts import MessageFacts
from workers.access.settings import AccessSettings, ChannelEntry, GuildEntry

__all__ = ["Gate", "mention_required", "pass_gate"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate says: ``reason`` is empty where the message passes."""

    reason: str = ""
    required: bool = False
    by: MentionedBy = ""


def mention_required(facts: MessageFacts, guild: GuildEntry | None, channel: ChannelEntry | None) -> bool:
    """Whether this place asks for a mention: channel entry, guild entry, then yes. Never outside guilds."""
    surface = facts.surface
    if surface.kind != "channel":
        return False
    own_thread = surface.is_thread and facts.bot_id is not None and surface.thread_owner_id == facts.bot_id
    if own_thread and channel is not None and channel.auto_thread:
        return False
    for entry in (channel, guild):
        if entry is not None and entry.require_mention is not None:
            return entry.require_mention
    return True


def pass_gate(
    facts: MessageFacts,
    settings: AccessSettings,
    guild: GuildEntry | None,
    channel: ChannelEntry | None,
    *,
    authorized: bool,
) -> Gate:
    """Hold back what is not meant for the bot. ``authorized`` senders' commands need no mention."""
    required = mention_required(facts, guild, channel)
    by = _named_by(facts, settings, guild, channel)
    if not by and required and authorized and facts.command and not _names_anybody(facts):
        by = "command"
    if required and not by and not facts.service:
        return Gate(Reason.MENTION_REQUIRED.value, True)
    if not by and facts.mentions.others and _ignores_others(facts, guild, channel):
        return Gate(Reason.OTHER_MENTIONED.value, required)
    return Gate("", required, by)


def _named_by(
    facts: MessageFacts, settings: AccessSettings, guild: GuildEntry | None, channel: ChannelEntry | None
) -> MentionedBy:
    if facts.surface.kind == "direct":
        return ""
    if facts.mentions.explicit:
        return "explicit"
    if facts.mentions.reply_to_bot:
        return "reply"
    if facts.mentions.mass and not facts.sender.bot and _wakes_on_mass(settings, guild, channel):
        return "mass"
    return ""


def _names_anybody(facts: MessageFacts) -> bool:
    return facts.mentions.others or facts.mentions.mass


def _wakes_on_mass(settings: AccessSettings, guild: GuildEntry | None, channel: ChannelEntry | None) -> bool:
    for entry in (channel, guild):
        if entry is not None and entry.wake_on_mass_mentions is not None:
            return entry.wake_on_mass_mentions
    return settings.wake_on_mass_mentions


def _ignores_others(facts: MessageFacts, guild: GuildEntry | None, channel: ChannelEntry | None) -> bool:
    if facts.surface.kind != "channel":
        return False
    for entry in (channel, guild):
        if entry is not None and entry.ignore_other_mentions is not None:
            return entry.ignore_other_mentions
    return False
