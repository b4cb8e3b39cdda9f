"""What became of the files people sent: fetched where to, or why not; and what was said in them.

One hash per file (``media:<account>:<file>``), one field per host that fetched it, since a path is
good on its own disk only (rule R25), and one for the words of a recording. Facts for a day, written by
plain tasks; a turn that waits parks on the key of :func:`file_ready` or :func:`speech_ready`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["FileFacts", "Heard", "Media", "Saved", "file_ready", "speech_ready"]

TTL_S = 86_400
CLAIM_S = 6
"""So long after its death the work of a process can be taken over; who lives renews it every 2 s."""
_SPEECH = "@speech"


class Saved(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file on one host's disk, or the reason why it is not there.

    ``error`` is a word: ``too-large``, ``timeout``, ``expired``, ``refused``, ``disk-full``, …
    """

    path: str = ""
    mime: str = ""
    size: int = 0
    sha256: str = ""
    error: str = ""
    at_ms: int = 0
    v: int = 1


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """The words of a recording, or why there are none. ``text`` is somebody's words: untrusted."""

    text: str = ""
    model: str = ""
    error: str = ""
    v: int = 1


class FileFacts(msgspec.Struct, frozen=True):
    """All that is known of one file."""

    saved: dict[str, Saved]
    """By host."""
    heard: Heard | None = None


def file_ready(account: str, file: str, host: str) -> str:
    """Wake key that fires when the file is on that host's disk, or surely will not be."""
    return check_name(f"media:{account}:{file}:{host}", "wake key")


def speech_ready(account: str, file: str) -> str:
    """Wake key that fires when the words of a recording are known, or surely will not be."""
    return check_name(f"media:{account}:{file}:speech", "wake key")


class Media:
    """Facts about files. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def facts(self, account: str, files: Sequence[str]) -> dict[str, FileFacts]:
        """What is known of each of these files; one round trip."""
        pipeline = self._store.redis.pipeline(transaction=False)
        for file in files:
            pipeline.hgetall(self._store.keys.media(account, file))
        rows = pipeline.execute() if files else []
        return {file: _facts(row) for file, row in zip(files, rows, strict=True)}

    def save(self, account: str, file: str, host: str, saved: Saved) -> None:
        """Say what became of a file on a host, and wake who waits for it."""
        self._put(account, file, host, msgspec.json.encode(saved))
        self._store.lanes.wake(file_ready(account, file, host))

    def hear(self, account: str, file: str, heard: Heard) -> None:
        """Say what a recording says, and wake who waits for it."""
        self._put(account, file, _SPEECH, msgspec.json.encode(heard))
        self._store.lanes.wake(speech_ready(account, file))

    def forget(self, account: str, file: str, hosts: Iterable[str]) -> None:
        """The file is on these hosts no more."""
        self._store.redis.hdel(self._store.keys.media(account, file), *hosts)

    def claim(self, account: str, file: str, host: str, owner: str) -> bool:
        """Be the one who fetches a file for a host; for seconds, to be renewed with the same ``owner``."""
        key = self._store.keys.media_claim(account, file, host)
        if self._store.redis.set(key, owner, nx=True, ex=CLAIM_S):
            return True
        if self._store.redis.get(key) != owner.encode():
            return False
        self._store.redis.expire(key, CLAIM_S)
        return True

    def release(self, account: str, file: str, host: str) -> None:
        """Nobody fetches it now."""
        self._store.redis.delete(self._store.keys.media_claim(account, file, host))

    def _put(self, account: str, file: str, field: str, value: bytes) -> None:
        key = self._store.keys.media(account, file)
        pipeline = self._store.redis.pipeline(transaction=True)
        pipeline.hset(key, check_name(field, "host") if field != _SPEECH else field, value)
        pipeline.expire(key, TTL_S)
        pipeline.execute()


def _facts(row: dict[bytes, bytes]) -> FileFacts:
    speech = row.pop(_SPEECH.encode(), None)
    return FileFacts(
        saved={host.decode(): msgspec.json.decode(value, type=Saved) for host, value in row.items()},
        heard=msgspec.json.decode(speech, type=Heard) if speech else None,
    )
