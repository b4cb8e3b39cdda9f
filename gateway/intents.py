"""Which intents are asked for (``spec/inbound.md`` 2.1)."""

from __future__ import annotations

from config.schema.discord import DiscordConfig
from shoal.discord.wire import Intents

__all__ = ["choose_intents", "intent_names"]


ALWAYS = (
    Intents.GUILDS
    | Intents.GUILD_MESSAGES
    | Intents.GUILD_MESSAGE_REACTIONS
    | Intents.DIRECT_MESSAGES
    | Intents.DIRECT_MESSAGE_REACTIONS
    | Intents.MESSAGE_CONTENT
)


def choose_intents(discord: DiscordConfig) -> Intents:
    """The intents for an account's effective settings. Members and presences only where the file says so."""
    chosen = ALWAYS
    if discord.voice_states_intent:
        chosen |= Intents.GUILD_VOICE_STATES
    if discord.intents.presence:
        chosen |= Intents.GUILD_PRESENCES
    if discord.intents.guild_members:
        chosen |= Intents.GUILD_MEMBERS
    return chosen


def intent_names(intents: Intents) -> str:
    """For logs and errors: ``GUILDS, GUILD_MESSAGES, …``."""
    return ", ".join(flag.name or "?" for flag in Intents if flag in intents)
