"""The workspace's files in the prompt (``spec/inbound.md`` 6.13).

AGENTS.md, SOUL.md and the like are the operator's and the agent's own words. MEMORY.md is
private: it goes into DMs and main sessions only, never into a channel (decision 30).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from shoal.base.logging import get_logger
from workers.agent.profile import AgentProfile
from workers.sessions.records import TurnRequest

__all__ = ["workspace_files"]

NAMES = ("AGENTS.md", "SOUL.md", "TOOLS.md", "IDENTITY.md", "USER.md", "HEARTBEAT.md", "BOOTSTRAP.md")
MEMORY = ("MEMORY.md", "memory.md")
_MARK = "\n… [{} characters left out] …\n"

log = get_logger(__name__)


def workspace_files(profile: AgentProfile, request: TurnRequest) -> list[tuple[str, str]]:
    """(name, text) of the files that exist, each and all together bounded (``bootstrapMaxChars``,
    ``bootstrapTotalMaxChars``). What is cut or left out is said in the log, once for each state of a file."""
    if profile.workspace is None or not profile.workspace.is_dir():
        return []
    private = request.chat_type == "direct" or request.session_key.endswith(":main")
    names = list(NAMES)
    if private:
        names.append(next((name for name in MEMORY if (profile.workspace / name).is_file()), MEMORY[0]))
    files: list[tuple[str, str]] = []
    left = profile.files_chars
    for name in names:
        path = profile.workspace / name
        text = _read(path)
        if not text.strip():
            continue
        room = min(profile.file_chars, left)
        if len(text) > room:
            _say(f"a workspace file is longer than is shown of it ({room} characters)", path, len(text))
        if room <= 0:
            continue
        text = _bounded(text, room)
        left -= len(text)
        files.append((name, text))
    return files


def _read(path: Path) -> str:
    """The text of a file; a link that leads out of the workspace is not followed."""
    try:
        if not path.is_file():
            return ""
        if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
            _say("a workspace file is a link that leads out of the workspace, and is not read", path, 0)
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        log.warning("workspace file cannot be read", file=path.name, error=error)
        return ""


def _bounded(text: str, limit: int) -> str:
    """Head and tail of a long text, with a mark where something is missing."""
    if len(text) <= limit:
        return text
    room = limit - len(_MARK.format(len(text)))
    if room <= 0:
        return text[:limit]
    head = room * 3 // 4
    return text[:head] + _MARK.format(len(text) - room) + text[len(text) - (room - head) :]


@lru_cache(maxsize=256)
def _say(what: str, path: Path, chars: int) -> None:
    """Once per process and length: files are read for every question to a model."""
    fix = "Shorten it, or raise agents.defaults.bootstrapMaxChars or bootstrapTotalMaxChars."
    log.warning(what, file=str(path), chars=chars, fix=fix if chars else "Copy the file into the workspace.")
