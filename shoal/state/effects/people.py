"""Effects on dealings with people: who asks to be let in, what they can click, what the owner was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shoal.base.ids import check_name
from shoal.state.pairing import new_codes
from shoal.state.queues import check_lane
from shoal.state.records import Record
from shoal.state.scripts import Args

__all__ = ["Control", "Controls", "Pair", "PairReply", "Told"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A stranger wrote in private (``spec/inbound.md`` 3.3): one request, one reply, one outcome.

    New: a request with the first free code of ``codes``, ``record`` pushed into ``lane``, outcome
    ``pairing`` (``requested``). Known: seen again, outcome ``pairing`` (``waiting``), and no second reply
    unless the first one failed over a minute ago. Three wait already: outcome ``dropped``
    (``pairing-full``). A message that has an outcome changes nothing. Refused if the sender has been
    approved meanwhile: decide again.
    """

    account: str
    sender: str
    meta: str
    message_id: str
    lane: str
    record: Record
    codes: tuple[str, ...] = field(default_factory=new_codes, compare=False, repr=False)

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.account, "account")
        check_name(self.sender, "sender")
        check_name(self.message_id, "message id")
        return [
            "pair", self.account, self.sender, self.meta, self.message_id, len(self.codes), *self.codes,
            check_lane(self.lane), self.record.identity, self.record.frame(),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairReply:
    """What became of the reply to a request: ``sent`` or ``failed:<code>``. ``notice`` is its record."""

    account: str
    sender: str
    notice: str
    word: str

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.account, "account")
        check_name(self.sender, "sender")
        return ["pairreply", self.account, self.sender, check_name(self.notice, "identity"), self.word]


@dataclass(frozen=True, slots=True)
class Control:
    """One button, select or form as it is remembered; ``reusable`` ones answer more than once."""

    id: str
    body: bytes
    reusable: bool = False


@dataclass(frozen=True, slots=True)
class Controls:
    """Remember the controls of one message for ``life_ms``; a known ``group`` is a no-op.

    Read and used up by :class:`shoal.state.controls.ControlRegistry`. At most 64.
    """

    account: str
    group: str
    life_ms: int
    controls: Sequence[Control]

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.account, "account")
        check_name(self.group, "group")
        args: Args = ["controls", self.account, self.group, int(self.life_ms), len(self.controls)]
        for control in self.controls:
            args += (check_name(control.id, "control"), int(control.reusable), control.body)
        return args


@dataclass(frozen=True, slots=True)
class Told:
    """The owner was told of ``what``, which is told once; ``how``: ``dm`` or ``log``. The first stays."""

    account: str
    what: str
    how: str

    def args(self) -> Args:
        """Verb and arguments."""
        return ["told", check_name(self.account, "account"), check_name(self.what, "what was told"), self.how]
