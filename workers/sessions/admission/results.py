"""What admission decides: effects for the commit of the inbound lane, and what goes beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shoal.base.ids import check_name
from shoal.state.effects import Effect, Outcome

__all__ = [
    "Admission",
    "FilesWanted",
    "Knock",
    "Notice",
    "StopBound",
    "dropped",
    "place_of",
    "record_identity",
]


@dataclass(frozen=True, slots=True)
class StopBound:
    """A stop to write (``Lanes.stop``) before the commit: all of the lane born earlier ends (R7).

    Attributes:
        reason: a word for the outcome of what it ends, where no person stopped it.
        place: it ends only what came from there (:func:`place_of`); empty for all of the lane.
    """

    lane: str
    born_ms: int
    message_id: str
    reason: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A short text of our own to send: ``text`` names an entry of the catalogue, ``values`` fill it."""

    account: str
    channel_id: str
    guild_id: str | None
    reply_to: str
    cause: str
    text: str
    language: Literal["en", "zh"]
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilesWanted:
    """An admitted message has files: they are to be fetched as soon as its record stands in ``lane``."""

    lane: str
    identity: str


@dataclass(frozen=True, slots=True)
class Knock:
    """A stranger asks to talk in private: a request with its reply, and the outcome of the message.

    Attributes:
        sender: as the pairing store knows them (``SenderFacts.id``).
        tag, name: for the operator's list.
        cause: identity the reply derives from.
    """

    account: str
    sender: str
    tag: str
    name: str
    channel_id: str
    message_id: str
    cause: str
    language: Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Admission:
    """What to do about an event.

    Attributes:
        summary: for Flower and the log: words and ids, no content.
        stop: what a person stopped.
        ends: what ends because its place is gone.
        contentless: the account for which a person's message came without any content, as all do where an
            intent is missing.
    """

    effects: tuple[Effect, ...] = ()
    summary: str = "ignored"
    stop: StopBound | None = None
    ends: tuple[StopBound, ...] = ()
    notice: Notice | None = None
    files: FilesWanted | None = None
    knock: Knock | None = None
    contentless: str = ""

    @property
    def stops(self) -> tuple[StopBound, ...]:
        """All stops to write before the commit."""
        return self.ends if self.stop is None else (self.stop, *self.ends)


def place_of(account: str, channel_id: str) -> str:
    """The beginning that the scopes of all messages of one place have in common."""
    return f"{account}|{channel_id}|"


def record_identity(account: str, message_id: str) -> str:
    """Identity of a message's record in a session lane: two accounts may share a lane."""
    return check_name(f"{account}.{message_id}", "message identity")


def dropped(account: str, message_id: str, reason: str) -> Admission:
    """A message that goes no further, with its reason."""
    return Admission((Outcome(account, message_id, "dropped", str(reason)),), f"dropped · {reason}")
