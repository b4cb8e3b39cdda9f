"""Effects on lanes and on what travels through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.base.ids import check_name
from shoal.state.ledger import one_line
from shoal.state.queues import check_lane
from shoal.state.records import Record
from shoal.state.scripts import Args

__all__ = ["Expire", "GiveWay", "GivenWayTold", "Push", "Receipt", "Slot", "Wake"]


@dataclass(frozen=True, slots=True)
class Push:
    """Put a record into a lane (the own one included); a known identity is a no-op."""

    lane: str
    record: Record
    delay_ms: int = 0
    front: bool = False

    def args(self) -> Args:
        """Verb and arguments."""
        record = self.record
        head: Args = ["push", check_lane(self.lane), record.identity, record.frame()]
        return [*head, int(self.delay_ms), int(self.front)]


@dataclass(frozen=True, slots=True)
class Slot:
    """Conflating slot of a delivery lane (R9): only the newest version not yet taken stays queued.

    It arrives in ``lane`` as a record of kind ``slot`` with identity ``slot.<name>.<version>``.
    ``body=None`` closes the slot: a queued version is removed, and nothing comes after.
    """

    lane: str
    name: str
    version: int
    body: bytes | None
    v: int = 1

    def args(self) -> Args:
        """Verb and arguments."""
        check_lane(self.lane)
        check_name(self.name, "slot")
        version = int(self.version)
        if self.body is None:
            return ["slot", self.lane, self.name, version, "-", ""]
        record = Record(f"slot.{self.name}.{version}", "slot", self.body, v=self.v)
        return ["slot", self.lane, self.name, version, record.identity, record.frame()]


@dataclass(frozen=True, slots=True)
class Wake:
    """Make every lane due that is parked on ``key``, or that parks on it in the next ten minutes."""

    key: str

    def args(self) -> Args:
        """Verb and arguments."""
        return ["wake", check_name(self.key, "wake key")]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Remember that one part of what ``identity`` caused has been sent; the first value stays."""

    identity: str
    part: int
    value: bytes

    def args(self) -> Args:
        """Verb and arguments."""
        return ["receipt", check_name(self.identity, "identity"), int(self.part), self.value]


@dataclass(frozen=True, slots=True)
class Expire:
    """A blob is no longer needed; it goes after a minute (a zombie may still be reading)."""

    blob_id: str

    def args(self) -> Args:
        """Verb and arguments."""
        return ["expire", check_name(self.blob_id, "blob id")]


@dataclass(frozen=True, slots=True)
class GiveWay:
    """A record that waits in a lane leaves it, because too many wait there (``messages.queue.cap``).

    Its messages get the outcome ``dropped`` with ``reason``. A record that is the head, or belongs to a
    turn, stays, and nothing is written.

    Attributes:
        place: channel id; lines are kept for each place of a conversation on its own.
        line: what the next turn of that place is told of it (1,000 bytes); empty tells nothing.
    """

    lane: str
    identity: str
    account: str
    message_ids: Sequence[str]
    reason: str
    place: str
    line: bytes = b""

    def args(self) -> Args:
        """Verb and arguments."""
        check_lane(self.lane)
        check_name(self.identity, "identity")
        check_name(self.account, "account")
        check_name(self.place, "place")
        names = [check_name(message_id, "message id") for message_id in self.message_ids]
        return [
            "giveway", self.lane, self.identity, self.account, one_line(self.reason), self.place, self.line,
            len(names), *names,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenWayTold:
    """The oldest ``count`` lines of what gave way were told to a turn."""

    lane: str
    place: str
    count: int

    def args(self) -> Args:
        """Verb and arguments."""
        return ["toldof", check_lane(self.lane), check_name(self.place, "place"), int(self.count)]
