"""Receipts: which parts of an answer have reached Discord."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Receipts"]


class Receipts:
    """Reads receipts; they are written by the effect ``Receipt``, and live 24 h."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def receipt(self, identity: str) -> dict[int, bytes]:
        """Part → what was stored for it; empty if nothing has been sent."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.receipts(identity))
        return {int(part): value for part, value in raw.items()}
