"""Blobs: immutable bodies too large for a record; invisible until a record names them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from shoal.base.errors import StateConflict

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["MAX_BLOB", "Blobs"]

MAX_BLOB = 25 * 1024 * 1024
_MAX_TTL_S = 86_400


class Blobs:
    """Put before the commit that names it; what no commit names ends by its TTL."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, data: bytes, ttl_s: int = 3600) -> str:
        """Store bytes for ``ttl_s`` seconds (at most a day) and return their id.

        Raises:
            StateConflict: more than 25 MiB.
        """
        if len(data) > MAX_BLOB:
            raise StateConflict(f"a blob of {len(data)} bytes, at most {MAX_BLOB}", "blobs")
        blob_id = secrets.token_hex(12)
        self._store.redis.set(self._store.keys.blob(blob_id), data, ex=max(1, min(int(ttl_s), _MAX_TTL_S)))
        return blob_id

    def get(self, blob_id: str) -> bytes | None:
        """The bytes, or None when they are gone."""
        raw: bytes | None = self._store.redis.get(self._store.keys.blob(blob_id))
        return raw
