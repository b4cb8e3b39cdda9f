"""The folder of received files: ``<state dir>/media/inbound``. Names are made safe, writing is bounded.

A name is what the sender called the file, reduced to harmless characters, and something random: two files
never share a name, and no name leads out of the folder or means anything to a shell or a system.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from shoal.base.errors import ShoalError
from shoal.base.ids import new_token
from workers.media.kinds import EXTENSIONS, HEAD_BYTES, OTHER, kind_of

__all__ = ["DiskFull", "Kept", "Shelf", "Writing", "safe_stem"]

RESERVE_BYTES = 100 * 1024 * 1024
"""Disk that files leave free for everything else of the fleet."""
STEM_CHARS = 60
STALE_PART_S = 3_600
_PART = ".part"
_UNSAFE = re.compile(r"[^\w.\-]+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_ENDING = re.compile(r"[a-z0-9]{1,10}")


class DiskFull(ShoalError):
    """There is no room for the file."""

    code = "disk-full"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is on disk."""

    path: Path
    mime: str
    size: int
    sha256: str


def safe_stem(name: str) -> str:
    """The first part of a file's name: letters, digits, ``_``, ``-``, ``.``; never hidden, never reserved."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem = base.rpartition(".")[0] or base
    cut = _UNSAFE.sub("_", stem).strip("._-")[:STEM_CHARS].strip("._-")
    # bytes count on disk, not letters
    while len(cut.encode()) > 3 * STEM_CHARS:
        cut = cut[:-1]
    return "file" if not cut or _RESERVED.match(cut) else cut


def _ending(name: str, mime: str) -> str:
    """The ending of a file: its own where it goes with what the file is, else the usual one of its type."""
    own = name.rpartition(".")[2].lower() if "." in name else ""
    own = own if _ENDING.fullmatch(own) else ""
    known = EXTENSIONS.get(mime)
    if known is None:
        return own if mime == OTHER and own and not _typed(own) else "bin"
    if not known:
        return own if own and not _typed(own) else "txt"
    return own if own in known else known[0]


def _typed(ending: str) -> bool:
    """Whether an ending promises a type whose bytes we would have known."""
    return any(ending in endings for endings in EXTENSIONS.values())


class Shelf:
    """Where received files are kept on this host.

    Args:
        folder: made with mode 0700 at first use.
        room: free bytes of its disk; tests give their own.
    """

    def __init__(self, folder: Path, *, room: Callable[[Path], int] | None = None) -> None:
        self.folder = folder
        self._room = room or _free

    def open(self, name: str, claimed: str, *, expected: int = 0) -> Writing:
        """Begin a file.

        Args:
            name: what its sender called it.
            claimed: MIME type its sender claims.
            expected: bytes, as far as known.

        Raises:
            DiskFull: there is no room.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._room(self.folder) < expected + RESERVE_BYTES:
            raise DiskFull(
                f"The disk of {self.folder} is nearly full.", fix="Free some space, or lower media.ttlHours."
            )
        return Writing(self, name, claimed)

    def prune(self, older_than_s: float, *, now: float | None = None) -> int:
        """Remove files older than that, and what crashes left half-written; the number of files removed.

        Only plain files in the folder itself are touched.
        """
        now = time.time() if now is None else now
        removed = 0
        if not self.folder.is_dir():
            return 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    continue
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if age > older_than_s or (entry.name.endswith(_PART) and age > STALE_PART_S):
                    Path(entry.path).unlink(missing_ok=True)
                    removed += 1
        return removed


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Writing:
    """A file that is being received; a sink for fetches. Without :meth:`keep` nothing of it stays."""

    def __init__(self, shelf: Shelf, name: str, claimed: str) -> None:
        self._shelf = shelf
        self._name = name
        self._claimed = claimed
        self._token = new_token()
        self._part = shelf.folder / f"{self._token}{_PART}"
        self._file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._kept = False
        self.restart()

    def restart(self) -> None:
        """Forget what came so far."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._hash = hashlib.sha256()
        self._size = 0
        self._head = b""

    def write(self, data: bytes) -> None:
        """One more piece.

        Raises:
            DiskFull: there is no room for it.
            OSError: it cannot be written.
        """
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise DiskFull(f"The disk of {self._shelf.folder} is full.", fix="Free some space.") from None
            raise
        self._hash.update(data)
        self._size += len(data)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]

    def keep(self, claimed: str = "") -> Kept:
        """Give the file its name; it stays. ``claimed`` is what the server said it is, if it said so."""
        mime = kind_of(self._head, claimed or self._claimed)
        stem, ending = safe_stem(self._name), _ending(self._name, mime)
        path = self._shelf.folder / f"{stem}---{self._token}.{ending}"
        os.fsync(self._file)
        self._part.rename(path)
        self._kept = True
        return Kept(path, mime, self._size, self._hash.hexdigest())

    def __enter__(self) -> Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        if not self._kept:
            self._part.unlink(missing_ok=True)
