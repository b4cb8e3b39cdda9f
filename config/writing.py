"""Writing the config file: checked first, old versions kept, never half of it.

There is one writer at a time and no lock: whoever writes names the text it started from, and a
file that changed meanwhile is left alone (rule R25).
"""

from __future__ import annotations

import difflib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from config.loading import validate_file
from shoal.base.errors import ConfigError

__all__ = ["BACKUPS", "ConfigText", "difference", "read_text", "write_text"]

BACKUPS = 5
"""Old versions that are kept: ``shoal.json.bak`` (the newest), ``.bak.1`` … ``.bak.4``."""


class ConfigText:
    """A config file as it stands on disk, with what is needed to write it back the same way.

    Attributes:
        text: decoded, without a byte-order mark.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        self._encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
        self._mark = b"\xef\xbb\xbf" if data[:3] == b"\xef\xbb\xbf" else b""
        self.text = data[len(self._mark) :].decode(self._encoding)

    def encoded(self, text: str) -> bytes:
        """``text`` in the encoding and with the line ends of this file."""
        if "\r\n" in self.text:
            text = re.sub(r"(?<!\r)\n", "\r\n", text)
        return self._mark + text.encode(self._encoding)


def read_text(path: Path) -> ConfigText:
    """The file as it is.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return ConfigText(path, path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}).") from None


def write_text(before: ConfigText, after: str, *, env: Mapping[str, str], state_dir: Path) -> Path | None:
    """Put ``after`` in the place of the file; the old version stays beside it.

    Args:
        before: what the edit started from.
        env, state_dir: to check the result with (``validate_file``).

    Returns:
        The backup, or None if nothing was to be written.

    Raises:
        ConfigError: the result would not load, the file has changed meanwhile, or it cannot be written.
            Nothing is changed then.
    """
    path, data = before.path, before.encoded(after)
    if data == before.data:
        return None
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        mode = path.stat().st_mode & 0o777
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        issues, _, _ = validate_file(draft, env=env, state_dir=state_dir)
        if issues:
            raise ConfigError(f"{path} was not written: it would not load any more.", tuple(issues))
        if path.read_bytes() != before.data:
            raise ConfigError(f"{path} was not written: it has changed meanwhile.", fix="Try again.")
        backup = _keep(path, before.data, mode)
        draft.replace(path.resolve())
        return backup
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror or error}).") from None
    finally:
        draft.unlink(missing_ok=True)


def difference(before: str, after: str, name: str) -> str:
    """What an edit changes, as a unified diff."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, n=1, lineterm="")
    return "\n".join(lines)


def _keep(path: Path, data: bytes, mode: int) -> Path:
    """Move the older versions on by one and keep ``data`` as the newest."""
    names = [
        path.with_name(f"{path.name}.bak"),
        *(path.with_name(f"{path.name}.bak.{n}") for n in range(1, BACKUPS)),
    ]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if newer.exists():
            newer.replace(older)
    descriptor = os.open(names[0], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return names[0]
