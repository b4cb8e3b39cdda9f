"""Local files an agent or a user names: opened only inside allowed folders, and only plain files.

One function, :func:`open_local`, for whoever hands a file on (uploads, voice messages, pictures of a tool).
The name is read strictly, the folder is judged by where the name really leads, and the judged file is the
opened one: it is opened first and then asked where it is, so a link that is swapped in between changes
nothing (``spec/engineering.md`` 5.4, ``spec/outbound.md`` 3.10). Our own state is out of reach whatever the
folders say, ``media`` and workspaces inside it excepted. Each refusal leaves a line in the audit trail.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from shoal.base.audit import audit
from shoal.base.errors import ShoalError
from workers.media.kinds import HEAD_BYTES, kind_of

__all__ = ["LocalFile", "PathRefused", "Places", "open_local"]

MAX_PATH = 1_024
_SYSTEM = tuple(Path(place) for place in ("/proc", "/sys", "/dev", "/run", "/var/run", "/boot", "/etc"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\|//")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_SECRET_NAMES = re.compile(
    r"(?i)(\.env(\..*)?|\.netrc|\.pgpass|\.npmrc|\.pypirc|\.git-credentials|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)"
    r"|.*\.(pem|key|p12|pfx|jks|kdbx|password)|authorized_keys|known_hosts|shoal\.json5?|openclaw\.json5?)"
)
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".kube", ".docker", ".git", ".config", ".azure"})


class PathRefused(ShoalError):
    """The file may not be touched. ``reason`` is one word; the message holds no path of ours."""

    code = "path-refused"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"This file cannot be used ({reason}).",
            fix="Give the path of a plain file inside the agent's workspace or the media folder.",
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Where files may come from.

    Attributes:
        roots: folders whose files may be used: the workspace, the media folder. The first one is where
            relative paths begin.
        state_dir: our own folder; of it only roots inside it are open.
    """

    roots: tuple[Path, ...]
    state_dir: Path


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An open file that may be used. ``mime`` is what its bytes say."""

    file: BinaryIO
    path: Path
    name: str
    size: int
    mime: str


@contextlib.contextmanager
def open_local(
    text: str,
    places: Places,
    *,
    max_bytes: int,
    kinds: Sequence[str] = (),
    account: str = "",
) -> Iterator[LocalFile]:
    """Open the file that ``text`` names: a path or a ``file://`` URL.

    Args:
        max_bytes: a larger file is refused.
        kinds: beginnings of the MIME types that will do (``audio/``); empty takes any.
        account: for the audit trail.

    Raises:
        PathRefused: ``bad-path``, ``scheme``, ``remote``, ``system``, ``outside``, ``state``, ``secret``,
            ``missing``, ``no-file``, ``hard-link``, ``empty``, ``too-large``, ``kind``, ``unreadable``.
    """
    try:
        opened = _open(text, places, max_bytes, kinds)
    except PathRefused as refusal:
        audit("path", refusal.reason, account=account)
        raise
    with opened.file:
        yield opened


def _open(text: str, places: Places, max_bytes: int, kinds: Sequence[str]) -> LocalFile:
    wanted = _read(text, places)
    handle = _handle(wanted)
    try:
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, handle)
            real = _where(handle, wanted)
            _judge_place(real, places)
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise PathRefused("no-file")
            if found.st_nlink != 1:  # a second name of a file that lies elsewhere
                raise PathRefused("hard-link" if found.st_nlink else "missing")
            if not found.st_size:
                raise PathRefused("empty")
            if found.st_size > max_bytes:
                raise PathRefused("too-large")
            mime = kind_of(os.pread(handle, HEAD_BYTES, 0))
            if kinds and not any(mime.startswith(kind) for kind in kinds):
                raise PathRefused("kind")
            opened = LocalFile(os.fdopen(handle, "rb"), real, real.name, found.st_size, mime)
            undo.pop_all()  # from now on the file closes it
            return opened
    except OSError:
        raise PathRefused("unreadable") from None


def _read(text: str, places: Places) -> Path:
    """The path that a text names, without looking at the disk."""
    text = text.strip()
    if text[:5].lower() == "file:":
        text = _from_url(text)
    elif _DRIVE.match(text):
        raise PathRefused("bad-path")
    elif _SCHEME.match(text):
        raise PathRefused("scheme")
    if not text or len(text) > MAX_PATH or _CONTROL.search(text) or "\\" in text:
        raise PathRefused("bad-path")
    if text.startswith("~"):  # somebody's home is nobody's workspace
        raise PathRefused("outside")
    parts = text.split("/")
    if ".." in parts or parts[-1] in ("", ".") or any(len(part.encode()) > 255 for part in parts):
        raise PathRefused("bad-path")
    if not places.roots:
        raise PathRefused("outside")
    return places.roots[0] / text


def _from_url(text: str) -> str:
    """The path of a ``file://`` URL; decoded once, and what is still encoded then is refused."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise PathRefused("bad-path") from None
    if parts.netloc not in ("", "localhost"):
        raise PathRefused("remote")
    if parts.query or parts.fragment or not parts.path.startswith("/") or parts.path.startswith("//"):
        raise PathRefused("bad-path")
    try:
        path = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:
        raise PathRefused("bad-path") from None
    if re.search(r"%[0-9A-Fa-f]{2}", path):
        raise PathRefused("bad-path")
    return path


def _handle(wanted: Path) -> int:
    """Open without waiting (a pipe has nobody at its other end) and without becoming a terminal."""
    if any(_inside(wanted, place) for place in _SYSTEM):
        raise PathRefused("system")  # opening some of these has effects
    try:
        # the look before the opening spares devices; what counts is what is opened
        before = wanted.stat()
        if not stat.S_ISREG(before.st_mode):
            raise PathRefused("no-file")
        return os.open(wanted, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise PathRefused("missing") from None
    except (OSError, ValueError):
        raise PathRefused("unreadable") from None


def _where(handle: int, wanted: Path) -> Path:
    """The real path of what was opened."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/self/fd/{handle}").readlink()
    real = wanted.resolve()  # no /proc here: the file found by its real path must be the one that is open
    if not os.path.samestat(real.stat(), os.fstat(handle)):
        raise PathRefused("missing")
    return real


def _judge_place(real: Path, places: Places) -> None:
    """Where the file really is must be inside a root, and not ours."""
    if any(_inside(real, place) for place in _SYSTEM):
        raise PathRefused("system")
    roots = [root for root in (_real(root) for root in places.roots) if root is not None]
    root = max(
        (root for root in roots if _inside(real, root)), key=lambda found: len(found.parts), default=None
    )
    if root is None:
        raise PathRefused("outside")
    state = _real(places.state_dir)
    if state is not None and _inside(real, state) and (root == state or not _inside(root, state)):
        raise PathRefused("state")
    below = real.relative_to(root).parts
    if _SECRET_NAMES.fullmatch(real.name) or any(part in _SECRET_FOLDERS for part in below[:-1]):
        raise PathRefused("secret")


def _inside(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _real(folder: Path) -> Path | None:
    try:
        return folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
