"""Counting in sliding windows: how often something happened before a moment.

The effect :class:`~shoal.state.effects.Tally` counts a message by its id at the time it was written.
Windows are cut by those times and not by a clock, so equal questions have equal answers however
often and however late a message is delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Tallies"]


class Tallies:
    """Reads what was counted; it is written by effects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, account: str, windows: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
        """For each ``(name, after_ms, before_ms)``: how many lie between, both excluded, and the newest of
        them (Unix ms, 0 if there is none). One round trip."""
        pipeline = self._store.redis.pipeline(transaction=False)
        for name, after_ms, before_ms in windows:
            key, low, high = self._store.keys.tally(account, name), f"({after_ms}", f"({before_ms}"
            pipeline.zcount(key, low, high)
            pipeline.zrevrangebyscore(key, high, low, start=0, num=1, withscores=True)
        rows = pipeline.execute() if windows else []
        return [
            (int(count), int(newest[0][1]) if newest else 0)
            for count, newest in zip(rows[::2], rows[1::2], strict=True)
        ]
