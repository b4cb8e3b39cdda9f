"""The ledger: one outcome per message, and the story behind it for ``shoal explain``.

The first outcome written wins. Outcomes lie in hashes per ten seconds of snowflake time
(small hashes stay packed: about 25 B per message instead of 130), for seven days. Drops
beyond 50 per second and account are counted but not stored (R27).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoal.base.errors import StateConflict
from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Explanation", "Ledger", "Outcome", "one_line"]


class Outcome(enum.StrEnum):
    """What can become of a message; every message gets exactly one."""

    ANSWERED = "answered"
    MERGED = "merged"
    STEERED = "steered"
    COMMAND = "command"
    CONTROL = "control"
    EVENT = "event"
    PAIRING = "pairing"
    HISTORY = "history"
    DROPPED = "dropped"
    STOPPED = "stopped"
    EXPIRED = "expired"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened to a message.

    ``outcome`` is None while it is still on its way but has left notes. ``notes`` are (name, value)
    in the order they were written: ``session``, ``delivery``, ``turn``, …
    """

    account: str
    message_id: str
    outcome: Outcome | None
    reason: str
    at_ms: int
    notes: list[tuple[str, str]] = field(default_factory=list)


class Ledger:
    """Reads outcomes; they are written by the effects ``Outcome`` and ``Note`` and by intake."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def explain(self, account: str, message_id: str) -> Explanation | None:
        """Outcome and story of a message, or None if nothing is stored (any more)."""
        return self.explain_all(account, [message_id])[0]

    def explain_all(self, account: str, message_ids: Sequence[str]) -> list[Explanation | None]:
        """:meth:`explain` for many messages in one round trip; keep it to some hundreds."""
        keys = self._store.keys
        pipeline = self._store.redis.pipeline(transaction=False)
        for message_id in message_ids:
            pipeline.hget(keys.decisions(account, message_id), message_id)
            pipeline.hget(keys.trail(account, message_id), message_id)
        rows: list[bytes | None] = pipeline.execute() if message_ids else []
        return [
            _explanation(account, message_id, raw, trail)
            for message_id, raw, trail in zip(message_ids, rows[::2], rows[1::2], strict=True)
        ]

    def outcome(self, account: str, message_id: str) -> tuple[Outcome, str] | None:
        """(outcome, reason) of a message, or None while it has none; one read."""
        raw: bytes | None = self._store.redis.hget(
            self._store.keys.decisions(account, message_id), message_id
        )
        if raw is None:
            return None
        outcome, _, reason = raw.decode().split(" ", 2)
        return Outcome(outcome), reason

    def close(self, account: str, message_id: str, outcome: Outcome, reason: str = "") -> bool:
        """Write an outcome outside a lane (back-fill that is too old, …); False if there is one already."""
        check_name(account, "account")
        check_name(message_id, "message id")
        script = self._store.script("ledger_close")
        reply = script(account, message_id, str(outcome), one_line(reason))
        if reply[0] == b"conflict":
            raise StateConflict(reply[1].decode(), "ledger_close")
        return bool(reply[0] == b"new")

    def told(self, account: str) -> dict[str, str]:
        """What the owner was told of once → how: ``dm``, or ``log`` where nobody could be reached."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.told(account))
        return {what.decode(): how.decode().partition(" ")[0] for what, how in raw.items()}

    def counted(self, account: str, name: str, days: int = 7) -> int:
        """One counter over the last days, today included."""
        today = self._store.now_ms() // 86_400_000
        pipeline = self._store.redis.pipeline(transaction=False)
        for day in range(today - days + 1, today + 1):
            pipeline.hget(self._store.keys.counters(account, day), name)
        return sum(int(value) for value in pipeline.execute() if value is not None)

    def counters(self, account: str, day: int) -> dict[str, int]:
        """Outcome → number for a day (days since the Unix epoch); ``chatter`` = drops not stored.

        ``<outcome>.<reason>`` counts those of one reason, drops not stored included. Other names are those
        of the effect ``Count``.
        """
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.counters(account, day))
        return {name.decode(): int(value) for name, value in raw.items()}


def one_line(text: str) -> str:
    """What is stored next to an outcome: one line of at most 400 characters."""
    return " ".join(text.split())[:400]


def _explanation(account: str, message_id: str, raw: bytes | None, trail: bytes | None) -> Explanation | None:
    if raw is None and trail is None:
        return None
    notes: list[tuple[str, str]] = []
    for line in (trail or b"").decode().splitlines():
        name, _, value = line.partition("=")
        notes.append((name, value))
    if raw is None:
        return Explanation(account, message_id, None, "", 0, notes)
    outcome, at_ms, reason = raw.decode().split(" ", 2)
    return Explanation(account, message_id, Outcome(outcome), reason, int(at_ms), notes)
