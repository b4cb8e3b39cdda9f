"""The workspace's files in the prompt (``spec/inbound.md`` 6.13).

AGENTS.md, SOUL.md and the like are the operator's and the agent's own words. MEMORY.md is
private: it goes into DMs and main sessions only, never into a channel (decision 30).
"""

from __future__ import annotations

from pathlib import Path

from shoal.base.logging import get_logger
from workers.agent.profile import AgentProfile
from workers.sessions.records import TurnRequest

__all__ = ["workspace_files"]

NAMES = ("AGENTS.md", "SOUL.md", "TOOLS.md", "IDENTITY.md", "USER.md")
MEMORY = ("MEMORY.md", "memory.md")
FILE_CHARS = 20_000
TOTAL_CHARS = 150_000

log = get_logger(__name__)


def workspace_files(profile: AgentProfile, request: TurnRequest) -> list[tuple[str, str]]:
    """(name, text) of the files that exist, each and all together bounded."""
    if profile.workspace is None or not profile.workspace.is_dir():
        return []
    private = request.chat_type == "direct" or request.session_key.endswith(":main")
    names = list(NAMES)
    if private:
        names.append(next((name for name in MEMORY if (profile.workspace / name).is_file()), MEMORY[0]))
    files: list[tuple[str, str]] = []
    left = TOTAL_CHARS
    for name in names:
        text = _read(profile.workspace / name)
        if not text.strip() or left <= 0:
            continue
        text = _bounded(text, min(FILE_CHARS, left))
        left -= len(text)
        files.append((name, text))
    return files


def _read(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        log.warning("workspace file cannot be read", file=path.name, error=error)
        return ""


def _bounded(text: str, limit: int) -> str:
    """Head and tail of a long text, with a mark where something is missing."""
    if len(text) <= limit:
        return text
    head, tail = int(limit * 0.7), int(limit * 0.2)
    return f"{text[:head]}\n… [{len(text) - head - tail} characters left out] …\n{text[-tail:]}"
