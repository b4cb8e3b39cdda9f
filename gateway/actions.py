"""What the session machine asks its driver to do, in this order, after each input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gateway.decode import BadFrame, Frame

if TYPE_CHECKING:
    from gateway.session import SessionState

__all__ = [
    "Action",
    "AskIdentify",
    "Began",
    "Close",
    "Connect",
    "Dispatch",
    "Lost",
    "Note",
    "Resumed",
    "Send",
    "Stop",
]


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection after ``delay`` seconds; ``url`` is ``None`` for the general address."""

    url: str | None
    resume: bool
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame that bypasses the limiter. ``body`` may hold the token."""

    body: bytes = field(repr=False)
    what: Literal["identify", "resume", "heartbeat"]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the present connection; its end is not reported back to the machine."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class AskIdentify:
    """Get a permit to IDENTIFY, then call ``identify`` or ``postpone``."""


@dataclass(frozen=True, slots=True)
class Began:
    """READY: a new session. ``frame`` is the READY."""

    state: SessionState
    frame: Frame


@dataclass(frozen=True, slots=True)
class Resumed:
    """RESUMED: the session goes on, what was missed has been replayed."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Hand a dispatch to intake. ``follows`` is the sequence before it."""

    frame: Frame | BadFrame
    follows: int
    seq: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The session cannot be resumed any more; what was missed since is gone unless fetched."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Discord closed for good; ``code`` is its close code."""

    code: int


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    level: Literal["debug", "info", "warning", "error"]
    text: str


Action = Connect | Send | Close | AskIdentify | Began | Resumed | Dispatch | Lost | Stop | Note
