"""Session records and transcripts.

A session key (``agent:main:discord:channel:123``) names a conversation; its record says
which ``session_id`` is current, and the transcript belongs to that id. Turns write both
by effects; here they are read, and long transcripts are archived: at most 2 MB stay hot,
older entries are kept compressed (R27).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import zstandard

from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["HOT_BYTES", "Sessions"]

HOT_BYTES = 2 * 1024 * 1024
"""Bytes of a transcript that stay uncompressed."""


class Sessions:
    """Reads sessions and transcripts; the writing of turns goes through effects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, session_key: str) -> dict[str, bytes]:
        """All fields of a session record; empty if there is none. ``updated_at`` is Unix ms."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.session(session_key))
        return {name.decode(): value for name, value in raw.items()}

    def known(self, session_keys: Sequence[str]) -> list[str]:
        """Those of some sessions that have a record."""
        pipeline = self._store.redis.pipeline(transaction=False)
        for key in session_keys:
            pipeline.exists(self._store.keys.session(key))
        found = pipeline.execute() if session_keys else []
        return [key for key, there in zip(session_keys, found, strict=True) if there]

    def recent(self, limit: int = 100, *, since_ms: int = 0) -> list[tuple[str, int]]:
        """(session key, updated at in Unix ms), newest first; those updated at ``since_ms`` or later."""
        raw = self._store.redis.zrevrangebyscore(
            self._store.keys.sessions(), "+inf", since_ms, start=0, num=limit, withscores=True
        )
        return [(key.decode(), int(score)) for key, score in raw]

    def events(self, session_key: str) -> list[bytes]:
        """Bodies of the system events that wait for the session's next turn, oldest first."""
        raw: list[bytes] = self._store.redis.lrange(self._store.keys.events(session_key), 0, -1)
        return [entry.partition(b"\n")[2] for entry in raw]

    # -- transcripts -----------------------------------------------------------------------------

    def transcript(self, session_id: str, last: int | None = None) -> list[bytes]:
        """Hot entries, oldest first; ``last`` asks for the newest so many."""
        start = 0 if last is None else -last
        if last == 0:
            return []
        raw: list[bytes] = self._store.redis.lrange(self._store.keys.transcript(session_id), start, -1)
        return raw

    def whole_transcript(self, session_id: str) -> list[bytes]:
        """Archived entries and hot ones, oldest first."""
        entries: list[bytes] = []
        keys = self._store.keys
        parts = int(self._store.redis.hget(keys.transcript_meta(session_id), "archives") or 0)
        for number in range(1, parts + 1):
            packed: bytes | None = self._store.redis.get(keys.archive(session_id, number))
            if packed is not None:
                entries += msgspec.msgpack.decode(zstandard.decompress(packed), type=list[bytes])
        return entries + self.transcript(session_id)

    def hot_bytes(self, session_id: str) -> int:
        """Bytes of the hot part."""
        return int(self._store.redis.hget(self._store.keys.transcript_meta(session_id), "bytes") or 0)

    def archive_recent(self, *, since_ms: int = 0, limit: int = 10_000, hot: int = HOT_BYTES) -> int:
        """Archive what is too long among the sessions updated since; the number of entries that went.

        Two round trips for a thousand sessions of which none is too long.
        """
        keys = self._store.keys
        moved = 0
        names = [key for key, _ in self.recent(limit, since_ms=since_ms)]
        for start in range(0, len(names), 1000):
            pipeline = self._store.redis.pipeline(transaction=False)
            for key in names[start : start + 1000]:
                pipeline.hget(keys.session(key), "session_id")
            ids = sorted({raw.decode() for raw in pipeline.execute() if raw})
            for session_id in ids:
                pipeline.hget(keys.transcript_meta(session_id), "bytes")
            for session_id, size in zip(ids, pipeline.execute() if ids else [], strict=True):
                while int(size or 0) > hot and (went := self.archive(session_id, hot=hot)):
                    moved += went
        return moved

    def archive(self, session_id: str, *, hot: int = HOT_BYTES) -> int:
        """Compress the oldest entries if more than ``hot`` bytes are; the number of entries that went.

        Safe beside running turns (they only append) and beside another archiver (the script compares
        the number of the archive it makes).
        """
        if self.hot_bytes(session_id) <= hot:
            return 0
        keys = self._store.keys
        number = int(self._store.redis.hget(keys.transcript_meta(session_id), "archives") or 0) + 1
        oldest: list[bytes] = []
        size = 0
        for entry in self._store.redis.lrange(keys.transcript(session_id), 0, 4999):
            if oldest and size + len(entry) > hot // 2:
                break
            oldest.append(entry)
            size += len(entry)
        packed = zstandard.compress(msgspec.msgpack.encode(oldest), level=6)
        reply = self._store.script("transcript_archive")(
            check_name(session_id, "session id"), number, len(oldest), size, packed
        )
        return len(oldest) if reply[0] == b"ok" else 0
