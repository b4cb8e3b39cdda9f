"""``userLimits``: how many turns one person may start. Off unless written.

What they do to a message is in :mod:`workers.access.rates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["UserLimits"]


@dataclass(frozen=True, slots=True)
class UserLimits:
    """Turns one person may start in any minute, and in any 24 hours; ``None`` is no limit."""

    turns_per_minute: int | None = None
    turns_per_day: int | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> UserLimits:
        """The limits of an account or guild entry."""
        raw = raw or {}
        return cls(raw.get("turnsPerMinute"), raw.get("turnsPerDay"))

    def over(self, base: UserLimits) -> UserLimits:
        """These on top of the account's, key by key."""
        return UserLimits(
            self.turns_per_minute if self.turns_per_minute is not None else base.turns_per_minute,
            self.turns_per_day if self.turns_per_day is not None else base.turns_per_day,
        )

    def __bool__(self) -> bool:
        return self.turns_per_minute is not None or self.turns_per_day is not None
