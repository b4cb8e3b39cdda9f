"""Why admission itself ends a message or leaves an event out; access has words of its own.

Together with :class:`workers.access.decision.Reason` these are all reasons of admission. Each is told by
``shoal explain`` (messages) and has a counter: ``<outcome>.<reason>`` or ``reaction.<reason>``.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AdmissionReason", "Ignored"]


class AdmissionReason(StrEnum):
    """Why a message that access would let in, or that cannot be asked about, starts nothing."""

    MALFORMED = "malformed-event"
    """No id, channel or author."""
    MISSED = "missed-too-long-ago"
    """Fetched after a gap and too old to be answered (R19)."""
    COMMAND_ECHO = "command-echo"
    """What Discord shows of a slash command; the interaction itself comes apart."""
    SERVICE_MESSAGE = "service-message"
    """A notice of Discord of a kind that no agent is told of."""
    SESSION_KEY = "session-key-invalid"
    """Its conversation has a name that no key may have."""
    COMPONENT_EXPIRED = "component-expired"
    """A click on a control that was used up, or is too old."""
    COMPONENT_INVALID = "component-invalid"
    """A click on a control whose id cannot be read, or while controls are switched off."""
    INTERACTION_UNKNOWN = "interaction-unknown"
    """A command or control that nothing here has made."""


class Ignored(StrEnum):
    """Why a reaction is not told to the agent, besides the reasons of access (``spec/inbound.md`` 7.1)."""

    MALFORMED = "malformed"
    OWN = "own"
    """By the bot itself."""
    BOT = "by-bot"
    OFF = "off"
    """``reactionNotifications: "off"``."""
    NOT_OURS = "not-our-message"
    """Mode ``own``, and somebody else wrote the message."""
    NO_LIST = "no-list"
    """Mode ``allowlist``, and neither users nor roles are written."""
    CLEARED = "cleared"
    """A moderator removed many at once; nobody reacted."""
    UNKNOWN_USER = "unknown-user"
    """Discord knows no such user (any more), so it may be a bot."""
    UNKNOWN_MESSAGE = "unknown-message"
    """The message is gone."""
    TOO_LATE = "too-late"
    """What had to be asked of Discord did not come in time."""
    SESSION_KEY = "session-key-invalid"
