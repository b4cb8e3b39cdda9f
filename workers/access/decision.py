"""The answer of every access question: allow, or refuse with a stable reason word.

Reasons are for programs (``shoal explain``, metrics, tests); they never change meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from workers.access.entries import Match
from workers.access.settings import ChannelEntry, GuildEntry

__all__ = ["Decision", "MentionedBy", "Reason"]

MentionedBy = Literal["", "explicit", "reply", "pattern", "mass", "command"]
"""What satisfied the mention gate; empty where nothing did or nothing was asked."""


class Reason(StrEnum):
    """Why a message goes no further."""

    OWN_MESSAGE = "own-message"
    BOT_AUTHOR = "bot-author"
    WEBHOOK_AUTHOR = "webhook-author"
    DM_DISABLED = "dm-disabled"
    DM_POLICY = "dm-policy"
    PAIRING_REQUIRED = "pairing-required"
    NOT_ALLOWLISTED = "not-allowlisted"
    GROUP_DM_DISABLED = "group-dm-disabled"
    GUILD_POLICY = "guild-policy"
    GUILD_NOT_LISTED = "guild-not-listed"
    CHANNEL_NOT_LISTED = "channel-not-listed"
    CHANNEL_DISABLED = "channel-disabled"
    SENDER_NOT_LISTED = "sender-not-listed"
    COMMAND_UNAUTHORIZED = "command-unauthorized"
    MENTION_REQUIRED = "mention-required"
    OTHER_MENTIONED = "other-mentioned"
    EMPTY_MESSAGE = "empty-message"


@dataclass(frozen=True, slots=True)
class Decision:
    """What access says about one message.

    Attributes:
        allowed: it may start a turn.
        reason: a :class:`Reason` value where it may not; empty otherwise.
        history: refused only for want of a mention, by somebody who may talk here: it may be quoted later.
        match: entry of the list that let the sender in.
        guild: the ``guilds`` entry in force; ``None`` in DMs and under ``open`` without an entry.
        channel: the ``channels`` entry in force.
        mentioned_by: what satisfied the mention gate: ``explicit``, ``reply``, ``mass``, ``command``, or "".
        mention_required: the gate asked for a mention.
        authorized: the sender's text commands count.
        owner: the sender is on the owner list.
    """

    allowed: bool
    reason: str = ""
    history: bool = False
    match: Match | None = None
    guild: GuildEntry | None = None
    channel: ChannelEntry | None = None
    mentioned_by: MentionedBy = ""
    mention_required: bool = False
    authorized: bool = False
    owner: bool = False

    @classmethod
    def refuse(cls, reason: Reason) -> Decision:
        """A plain refusal."""
        return cls(False, reason.value)
