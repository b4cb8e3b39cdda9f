"""Who may tell the agent something by a reaction (``spec/inbound.md`` 7.1, decision 7).

No mention is asked for, and no pairing is offered. The place must be served in every mode;
whether the person may talk there is asked in mode ``allowlist`` only, and in DMs and group DMs.
"""

from __future__ import annotations

from typing import Literal

from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts, Surface
from workers.access.guilds import GuildEntry, sender_restriction
from workers.access.policy import decide_place, decide_room
from workers.access.settings import AccessSettings

__all__ = ["ReactionMode", "decide_reaction", "reaction_guild", "refuse_channel", "restricted"]

ReactionMode = Literal["off", "own", "all", "allowlist"]


def reaction_guild(surface: Surface, settings: AccessSettings) -> GuildEntry | None:
    """The guild entry in force at a place; ``None`` outside guilds and for a guild without an entry."""
    return settings.guilds.find(surface)


def restricted(surface: Surface, settings: AccessSettings) -> bool:
    """Whether users or roles are written for this place: without a list nobody is on it."""
    guild = settings.guilds.find(surface)
    channel = guild.channels.find(surface) if guild is not None and guild.channels is not None else None
    return sender_restriction(guild, channel) != (None, None)


def decide_reaction(facts: MessageFacts, settings: AccessSettings, mode: ReactionMode) -> Decision:
    """Whether a reaction in this place, by this person, is listened to."""
    return decide_place(facts, settings, membership=mode == "allowlist")


def refuse_channel(surface: Surface, settings: AccessSettings) -> Reason | None:
    """Why a place is not served at all, whoever speaks there; or ``None``."""
    room = decide_room(surface, settings)
    return None if room.allowed else Reason(room.reason)
