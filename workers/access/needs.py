"""What a refusal lacks: facts that were not known and could have made it another one.

A decision is always complete: what is not known counts against the sender (closed). Its
``needs`` name what was missing, as small values, so that a caller can look it up and ask again.
The first kind is answered by one read of Redis and never leaves admission
(:mod:`workers.sessions.admission.asking`); the second kind (:data:`Outside`) takes a request to
somebody else, which admission does not make (rule R18): such a message waits in a ``hold`` lane.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ActivationNeeded",
    "AudienceNeeded",
    "ChannelNeeded",
    "GuildNeeded",
    "MemberNeeded",
    "Need",
    "Outside",
    "PluralKitNeeded",
    "TallyNeeded",
    "ThreadMemberNeeded",
    "TranscriptNeeded",
]


# -- answered by Redis -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActivationNeeded:
    """What ``/activation`` says in its session."""

    session_key: str


@dataclass(frozen=True, slots=True)
class AudienceNeeded:
    """Whether a user can see a channel. Answered yes, no, or by what is needed to know it."""

    guild_id: str
    channel_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class TallyNeeded:
    """How often something was counted: marks of ``name`` with ``after_ms < mark < before_ms``."""

    name: str
    after_ms: int
    before_ms: int


# -- answered by others ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemberNeeded:
    """A guild member with its roles (``GET /guilds/{guild}/members/{user}``); 404 says "no member"."""

    guild_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class ThreadMemberNeeded:
    """Whether a user is in a private thread (``GET /channels/{thread}/thread-members/{user}``)."""

    thread_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class GuildNeeded:
    """A guild whose name is not known (``GET /guilds/{guild}``)."""

    guild_id: str


@dataclass(frozen=True, slots=True)
class ChannelNeeded:
    """A channel or thread nobody told us of (``GET /channels/{channel}``), with its parent."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class PluralKitNeeded:
    """Who speaks through a webhook message (``GET /v2/messages/{message}`` of PluralKit)."""

    message_id: str


@dataclass(frozen=True, slots=True)
class TranscriptNeeded:
    """What a voice message without text says, where a pattern in it would be a mention."""

    message_id: str


Outside = MemberNeeded | ThreadMemberNeeded | GuildNeeded | ChannelNeeded | PluralKitNeeded | TranscriptNeeded
Need = ActivationNeeded | AudienceNeeded | TallyNeeded | Outside
