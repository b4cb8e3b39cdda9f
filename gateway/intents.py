"""Which intents are asked for (``spec/inbound.md`` 2.1)."""

from __future__ import annotations

import enum

from config.schema.discord import DiscordConfig

__all__ = ["Intent", "choose_intents", "intent_names"]


class Intent(enum.IntFlag):
    """Bits of the ``intents`` number."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_VOICE_STATES = 1 << 7
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    MESSAGE_CONTENT = 1 << 15


ALWAYS = (
    Intent.GUILDS
    | Intent.GUILD_MESSAGES
    | Intent.GUILD_MESSAGE_REACTIONS
    | Intent.DIRECT_MESSAGES
    | Intent.DIRECT_MESSAGE_REACTIONS
    | Intent.MESSAGE_CONTENT
)


def choose_intents(discord: DiscordConfig) -> Intent:
    """The intents for an account's effective settings. Members and presences only where the file says so."""
    chosen = ALWAYS
    if discord.voice_states_intent:
        chosen |= Intent.GUILD_VOICE_STATES
    if discord.intents.presence:
        chosen |= Intent.GUILD_PRESENCES
    if discord.intents.guild_members:
        chosen |= Intent.GUILD_MEMBERS
    return chosen


def intent_names(intents: Intent) -> str:
    """For logs and errors: ``GUILDS, GUILD_MESSAGES, …``."""
    return ", ".join(flag.name or "?" for flag in Intent if flag in intents)
