"""Secret files: read once, only if nobody else can read or change them."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

from config.schema.secrets import FileProvider
from shoal.base.errors import ConfigError

__all__ = ["check_private", "read_secret_file"]


def check_private(path: Path, status: os.stat_result, *, readable: bool) -> None:
    """Refuse a path that belongs to others or that others may change (or read).

    Args:
        readable: whether others may read it; programs may be read, secrets may not.

    Raises:
        ConfigError: with the ``chmod`` or ``chown`` that puts it right.
    """
    if status.st_uid not in {os.geteuid(), 0}:
        raise ConfigError(f"{path} belongs to somebody else.", fix=f"Run: chown $(id -un) {path}")
    forbidden = 0o022 if readable else 0o077
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        word = "changed" if readable else "read or changed"
        wanted = "go-w" if readable else "go-rwx"
        raise ConfigError(
            f"{path} can be {word} by others (mode {mode:04o}).", fix=f"Run: chmod {wanted} {path}"
        )


def read_secret_file(provider: FileProvider, folder: Path) -> Any:
    """The content: parsed JSON, or the text of a ``singleValue`` file.

    Raises:
        ConfigError: missing, not private, too large, too slow, or no JSON. Never shows the content.
    """
    path = folder / Path(provider.path).expanduser()
    data = _read_in_time(path, provider)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8.") from None
    if provider.mode == "singleValue":
        return text.strip()
    try:
        return json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", "?")
        raise ConfigError(f"{path} is no JSON (line {line}).") from None


def _read_in_time(path: Path, provider: FileProvider) -> bytes:
    """Read in a thread of its own, because a network mount may hang for ever."""
    outcome: list[bytes | ConfigError] = []

    def work() -> None:
        try:
            outcome.append(_read(path, provider))
        except ConfigError as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="secret-file", daemon=True)
    thread.start()
    thread.join(provider.timeout_ms / 1000)
    if not outcome:
        raise ConfigError(f"{path} could not be read within {provider.timeout_ms} ms.")
    result = outcome[0]
    if isinstance(result, ConfigError):
        raise result
    return result


def _read(path: Path, provider: FileProvider) -> bytes:
    try:
        # non-blocking, so that a named pipe is refused and not waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path} is no regular file.")
            if not provider.allow_insecure_path:
                check_private(path, status, readable=False)
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                data = stream.read(provider.max_bytes + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > provider.max_bytes:
        raise ConfigError(f"{path} is larger than {provider.max_bytes} bytes.")
    return data
