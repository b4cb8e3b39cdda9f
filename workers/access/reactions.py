"""Who may tell the agent something by a reaction (``spec/inbound.md`` 7.1, decision 7).

No mention is asked for, and no pairing is offered. The place must be served in every mode;
whether the person may talk there is asked in mode ``allowlist`` only, and in DMs and group DMs.
"""

from __future__ import annotations

from typing import Literal

from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts, SenderFacts, Surface
from workers.access.policy import decide_place, find_channel, find_guild, sender_restriction
from workers.access.settings import AccessSettings, GuildEntry

__all__ = ["ReactionMode", "decide_reaction", "reaction_guild", "refuse_channel", "restricted"]

ReactionMode = Literal["off", "own", "all", "allowlist"]


def reaction_guild(surface: Surface, settings: AccessSettings) -> GuildEntry | None:
    """The guild entry in force at a place; ``None`` outside guilds and for a guild without an entry."""
    return find_guild(settings.guilds, surface)


def restricted(surface: Surface, settings: AccessSettings) -> bool:
    """Whether users or roles are written for this place: without a list nobody is on it."""
    guild = find_guild(settings.guilds, surface)
    if guild is None:
        return False
    channel = find_channel(guild.channels, surface) if guild.channels is not None else None
    return sender_restriction(guild, channel) != (None, None)


def decide_reaction(facts: MessageFacts, settings: AccessSettings, mode: ReactionMode) -> Decision:
    """Whether a reaction in this place, by this person, is listened to."""
    decision = decide_place(facts, settings)
    if facts.surface.kind == "channel" and mode != "allowlist" and _only_the_sender(decision):
        return Decision(True, guild=find_guild(settings.guilds, facts.surface))
    return decision


def refuse_channel(surface: Surface, settings: AccessSettings) -> Reason | None:
    """Why a place is not served at all, whoever speaks there; or ``None``."""
    if surface.kind == "direct":
        if not settings.dm_enabled:
            return Reason.DM_DISABLED
        return Reason.DM_POLICY if settings.dm_policy == "disabled" else None
    decision = decide_place(MessageFacts(SenderFacts(""), surface), settings)
    if decision.allowed or _only_the_sender(decision):
        return None
    return Reason(decision.reason)


def _only_the_sender(decision: Decision) -> bool:
    """The place is served; the person is not on its list. Policy asks about the place first."""
    return decision.reason in (
        Reason.SENDER_NOT_LISTED,
        Reason.NOT_ALLOWLISTED,
        Reason.PAIRING_REQUIRED,
    )
