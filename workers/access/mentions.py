"""The mention gate: in a guild the bot speaks when it is spoken to (``spec/inbound.md`` 4.1 to 4.4).

Named is: the bot's id among the mentions, an answer to one of its messages, or a pattern of the
agent in the text. A role is no mention of the bot, and neither are ``@everyone`` and ``@here``
unless ``wakeOnMassMentions`` says so (decision 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.access.bots import is_machine
from workers.access.decision import MentionedBy, Reason
from workers.access.facts import MessageFacts
from workers.access.guilds import ChannelEntry, GuildEntry
from workers.access.needs import ActivationNeeded, Need, TranscriptNeeded
from workers.access.settings import AccessSettings

__all__ = ["Gate", "mention_required", "pass_gate"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate says: ``reason`` is empty where the message passes."""

    reason: str = ""
    required: bool = False
    by: MentionedBy = ""
    needs: frozenset[Need] = frozenset()


def mention_required(facts: MessageFacts, guild: GuildEntry | None, channel: ChannelEntry | None) -> bool:
    """Whether this place asks for a mention. Never outside guilds.

    ``/activation`` of the session comes first (decision 28), then a thread of our own under ``autoThread``,
    the channel entry, the guild entry, and yes.
    """
    surface = facts.surface
    if surface.kind != "channel":
        return False
    if facts.known.activation:
        return facts.known.activation == "mention"
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
    if not by and required and authorized and facts.command and not _names_anybody(facts, settings):
        by = "command"
    if not by and not facts.service and facts.surface.kind == "channel":
        activation = ActivationNeeded(facts.session_key)
        if facts.session_key and facts.known.activation is None:
            return Gate(Reason.MENTION_REQUIRED.value, required, needs=frozenset({activation}))
        if required and _can_detect(facts):
            return Gate(Reason.MENTION_REQUIRED.value, True, needs=_said_aloud(facts))
    if not by and facts.mentions.others and _ignores_others(facts, guild, channel):
        return Gate(Reason.OTHER_MENTIONED.value, required)
    return Gate("", required, by)


def _can_detect(facts: MessageFacts) -> bool:
    """Whether a mention could be told at all: without our id and without patterns nothing could pass."""
    return facts.bot_id is not None or bool(facts.patterns)


def _said_aloud(facts: MessageFacts) -> frozenset[Need]:
    """A voice message without text may name the bot in what it says."""
    spoken = facts.audio and not facts.text and facts.known.transcript is None
    if not (spoken and facts.patterns and facts.message_id):
        return frozenset()
    return frozenset({TranscriptNeeded(facts.message_id)})


def _named_by(
    facts: MessageFacts, settings: AccessSettings, guild: GuildEntry | None, channel: ChannelEntry | None
) -> MentionedBy:
    if facts.surface.kind == "direct":
        return ""
    if facts.mentions.explicit:
        return "explicit"
    if facts.mentions.reply_to_bot:
        return "reply"
    if facts.patterns.match(facts.text or facts.known.transcript or ""):
        return "pattern"
    mass = facts.mentions.mass and not is_machine(facts, settings)
    return "mass" if mass and _wakes_on_mass(settings, guild, channel) else ""


def _names_anybody(facts: MessageFacts, settings: AccessSettings) -> bool:
    return facts.mentions.others or (facts.mentions.mass and not is_machine(facts, settings))


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
