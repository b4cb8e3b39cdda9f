"""The answer of every access question: allow, or refuse with a stable reason word.

Reasons are for programs (``shoal explain``, metrics, tests); they never change meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from workers.access.entries import Match
from workers.access.guilds import ChannelEntry, GuildEntry
from workers.access.needs import Need

__all__ = ["Decision", "Mark", "MentionedBy", "Reason"]

MentionedBy = Literal["", "explicit", "reply", "pattern", "mass", "command"]
"""What satisfied the mention gate; empty where nothing did or nothing was asked."""


class Reason(StrEnum):
    """Why an event goes no further."""

    # who wrote it
    OWN_MESSAGE = "own-message"
    BOT_AUTHOR = "bot-author"
    WEBHOOK_AUTHOR = "webhook-author"
    BOT_LOOP = "bot-loop"
    SENDER_UNKNOWN = "sender-unknown"
    """A webhook message, and PluralKit could not be asked who speaks."""
    # direct messages
    DM_DISABLED = "dm-disabled"
    DM_POLICY = "dm-policy"
    PAIRING_REQUIRED = "pairing-required"
    NOT_ALLOWLISTED = "not-allowlisted"
    GROUP_DM_DISABLED = "group-dm-disabled"
    # guilds
    GUILD_POLICY = "guild-policy"
    GUILD_NOT_LISTED = "guild-not-listed"
    GUILD_UNKNOWN = "guild-unknown"
    """Entries are written by name, and the name of the guild is not known."""
    CHANNEL_NOT_LISTED = "channel-not-listed"
    CHANNEL_DISABLED = "channel-disabled"
    CHANNEL_UNKNOWN = "channel-unknown"
    """Nobody told us of the channel, so the entry that may be meant cannot be found."""
    SENDER_NOT_LISTED = "sender-not-listed"
    MEMBER_UNKNOWN = "member-unknown"
    """Roles decide, and the roles of the sender are not known (rule R19)."""
    # what it says
    COMMAND_UNAUTHORIZED = "command-unauthorized"
    MENTION_REQUIRED = "mention-required"
    OTHER_MENTIONED = "other-mentioned"
    EMPTY_MESSAGE = "empty-message"
    # how often
    USER_RATE = "user-rate"
    USER_DAILY_CAP = "user-daily-cap"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to count for as long as ``ttl_ms``: the message's id, at the time it was written."""

    name: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What access says about one event.

    Attributes:
        allowed: it may start a turn.
        reason: a :class:`Reason` value where it may not; empty otherwise.
        needs: of a refusal, what was not known and could have changed it (:mod:`workers.access.needs`).
        history: refused only for want of a mention, by somebody who may talk here: it may be quoted later.
        match: entry of the list that let the sender in.
        guild: the ``guilds`` entry in force; ``None`` in DMs and under ``open`` without an entry.
        channel: the ``channels`` entry in force.
        mentioned_by: what satisfied the mention gate: ``explicit``, ``reply``, ``pattern``, …, or "".
        mention_required: the gate asked for a mention.
        authorized: the sender's commands count.
        owner: the sender is on the owner list.
        owner_hint: the entry of ``users`` that names the sender; a hint for tools, never an owner.
        marks: what to count if it becomes what this decision says: a turn, or this refusal.
        notice: of a refusal, the text the sender is to be told; empty for silence.
    """

    allowed: bool
    reason: str = ""
    needs: frozenset[Need] = frozenset()
    history: bool = False
    match: Match | None = None
    guild: GuildEntry | None = None
    channel: ChannelEntry | None = None
    mentioned_by: MentionedBy = ""
    mention_required: bool = False
    authorized: bool = False
    owner: bool = False
    owner_hint: str = ""
    marks: tuple[Mark, ...] = ()
    notice: str = ""

    @classmethod
    def refuse(
        cls,
        reason: Reason,
        *,
        needs: frozenset[Need] = frozenset(),
        guild: GuildEntry | None = None,
        channel: ChannelEntry | None = None,
    ) -> Decision:
        """A refusal, with the entries that say so."""
        return cls(False, reason.value, needs, guild=guild, channel=channel)

    @property
    def heard(self) -> bool:
        """The sender is listened to here; at most it was too much, and a stop is never too much."""
        return self.allowed or self.reason in (Reason.USER_RATE.value, Reason.USER_DAILY_CAP.value)
