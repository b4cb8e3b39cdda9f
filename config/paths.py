"""Where things live on disk: state dir, config file, logs, run folder.

The state dir is ``~/.shoal``; ``SHOAL_STATE_DIR`` moves it, ``SHOAL_HOME`` moves the
home it is looked for in, ``SHOAL_CONFIG_PATH`` names the file. The ``OPENCLAW_*``
spelling of each name is accepted where the ``SHOAL_*`` one is not set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONFIG_NAME", "Paths", "env_value", "find_paths", "profile_dir"]

CONFIG_NAME = "shoal.json"
_OLD_CONFIG_NAME = "openclaw.json"
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders and files of one installation. Nothing here is created by looking at it."""

    state_dir: Path
    config: Path

    @property
    def logs(self) -> Path:
        """Folder of ``shoal.log`` and its older parts."""
        return self.state_dir / "logs"

    @property
    def run(self) -> Path:
        """Empty folder processes are started in, so that no module of the caller's folder is imported."""
        return self.state_dir / "run"

    @property
    def media(self) -> Path:
        """Files people sent, kept for a while."""
        return self.state_dir / "media" / "inbound"

    @property
    def dotenv(self) -> Path:
        """``.env`` of the state dir, read after the one of the current folder."""
        return self.state_dir / ".env"

    @property
    def workspace(self) -> Path:
        """Workspace of the default agent where the config names none."""
        return self.state_dir / "workspace"


def env_value(env: Mapping[str, str], name: str) -> str | None:
    """``SHOAL_<name>``, else ``OPENCLAW_<name>``; blank counts as not set."""
    for prefix in ("SHOAL_", "OPENCLAW_"):
        value = env.get(prefix + name, "").strip()
        if value:
            return value
    return None


def _expand(text: str, home: Path) -> Path:
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(text)


def _home(env: Mapping[str, str]) -> Path:
    return Path(env_value(env, "HOME") or env.get("HOME") or str(Path("~").expanduser()))


def profile_dir(env: Mapping[str, str], profile: str) -> Path:
    """State dir of a profile, an installation beside the usual one: ``~/.shoal-<profile>``.

    Raises:
        ValueError: that is no name for a folder.
    """
    if not _PROFILE.fullmatch(profile):
        raise ValueError(f"{profile!r} is no profile: letters, digits, - and _ make one")
    return _home(env) / (".shoal" if profile == "default" else f".shoal-{profile}")


def find_paths(env: Mapping[str, str], *, path: Path | None = None, state_dir: Path | None = None) -> Paths:
    """State dir and config file for this environment; arguments beat variables."""
    home = _home(env)
    if state_dir is None:
        told = env_value(env, "STATE_DIR")
        state_dir = _expand(told, home) if told else home / ".shoal"
    if path is None:
        told = env_value(env, "CONFIG_PATH")
        if told:
            path = _expand(told, home)
        else:
            path = state_dir / CONFIG_NAME
            old = state_dir / _OLD_CONFIG_NAME
            if not path.exists() and old.exists():
                path = old  # a state dir of OpenClaw, used as it is
    return Paths(state_dir=state_dir.absolute(), config=path.absolute())
