"""Effects on what is remembered of a message: its outcome, its story, what is counted."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.base.ids import check_name
from shoal.state.ledger import one_line
from shoal.state.scripts import Args

__all__ = ["Count", "Note", "Outcome", "Tally"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The one outcome of a message; ``outcome`` is a word of :class:`shoal.state.ledger.Outcome`.

    The first one written wins. ``reason`` is one word or short code, no content.
    """

    account: str
    message_id: str
    outcome: str
    reason: str = ""

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.account, "account")
        check_name(self.message_id, "message id")
        return ["outcome", self.account, self.message_id, str(self.outcome), one_line(self.reason)]


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the story of a message for ``explain``: ``session``, ``delivery``, ``turn``, …

    Ids and figures only, never content. Same line twice is one line; at most 4 kB per message.
    """

    account: str
    message_id: str
    name: str
    value: str

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.account, "account")
        line = f"{check_name(self.name, 'note')}={one_line(self.value)}"
        return ["note", self.account, check_name(self.message_id, "message id"), line]


@dataclass(frozen=True, slots=True)
class Count:
    """One more in today's counter ``name``: lower-case words with ``-`` and ``.``, at most 60 characters."""

    account: str
    name: str

    def args(self) -> Args:
        """Verb and arguments."""
        return ["count", check_name(self.account, "account"), self.name]


@dataclass(frozen=True, slots=True)
class Tally:
    """Count one thing once: ``member`` (a message id) under ``name``, at the time ``at_ms``.

    Read by :meth:`shoal.state.tallies.Tallies.count`. The same member again changes nothing; what is older
    than ``ttl_ms`` before ``at_ms`` is forgotten, and all of it ``ttl_ms`` after the last one.
    """

    account: str
    name: str
    member: str
    at_ms: int
    ttl_ms: int

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.account, "account")
        check_name(self.name, "tally")
        check_name(self.member, "member")
        return ["tally", self.account, self.name, self.member, int(self.at_ms), int(self.ttl_ms)]
