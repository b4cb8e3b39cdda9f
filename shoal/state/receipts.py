"""Receipts: which parts of an answer have reached Discord."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Receipts"]


ECHO_S = 3600


class Receipts:
    """Reads receipts; they are written by the effect ``Receipt``, and live 24 h.

    An *echo* is our own message coming back through the gateway with the nonce it was sent with:
    it settles a create whose answer was lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def receipt(self, identity: str) -> dict[int, bytes]:
        """Part → what was stored for it; empty if nothing has been sent."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.receipts(identity))
        return {int(part): value for part, value in raw.items()}

    def echo(self, account: str, nonce: str, channel_id: str, message_id: str) -> None:
        """Remember for an hour that the message sent with ``nonce`` exists."""
        value = f"{channel_id} {message_id}"
        self._store.redis.set(self._store.keys.echo(account, _digest(nonce)), value, nx=True, ex=ECHO_S)

    def echoed(self, account: str, nonce: str) -> tuple[str, str] | None:
        """(channel id, message id) of the message that came back with ``nonce``, or None."""
        raw: bytes | None = self._store.redis.get(self._store.keys.echo(account, _digest(nonce)))
        if raw is None:
            return None
        channel_id, message_id = raw.decode().split(" ", 1)
        return channel_id, message_id


def _digest(nonce: str) -> str:
    return hashlib.blake2b(nonce.encode(), digest_size=12).hexdigest()
