"""``memory_search`` and ``memory_get``: the agent looks things up in its notes (``spec/inbound.md`` 6.13).

``MEMORY.md`` is read to the model in private conversations only; in channels these two are the way to
it, on demand. What they answer was written by the agent or its operator, but often quotes other
people: it comes as data, fenced by JSON.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from shoal.base.logging import get_logger
from workers.agent.memory.files import memory_path
from workers.agent.memory.index import MemoryIndex
from workers.agent.providers.base import ToolSpec
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult, Wait
from workers.sessions.records import TurnRequest

__all__ = ["MemoryGet", "MemorySearch"]

log = get_logger(__name__)

MAX_RESULTS = 20
SNIPPET_CHARS = 700
GET_LINES = 400
GET_CHARS = 12_000

Workspaces = Callable[[TurnRequest], Path | None]


class _MemoryTool:
    """What both have in common: they need a workspace, and read only."""

    aliases: tuple[str, ...] = ()
    idempotent = True
    limit_s = 30.0

    def __init__(self, workspace: Workspaces, state_dir: Path) -> None:
        self._workspace_of = workspace
        self._state_dir = state_dir

    def available(self, request: TurnRequest) -> bool:
        """Where the agent has a workspace."""
        workspace = self._workspace_of(request)
        return workspace is not None and workspace.is_dir()

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        """Never waits."""
        del state, context
        raise ToolError("This tool does not wait.")

    def _workspace(self, request: TurnRequest) -> Path:
        workspace = self._workspace_of(request)
        if workspace is None:
            raise ToolError("This agent has no workspace.")
        return workspace


class MemorySearch(_MemoryTool):
    """Finds passages of the notes.

    Args:
        workspace: the folder of the agent of a request.
        state_dir: where the index is kept, below ``memory/``.
    """

    name = "memory_search"

    def spec(self, request: TurnRequest) -> ToolSpec:
        """Query, and how many results."""
        del request
        return ToolSpec(
            self.name,
            "Search your long-term notes (MEMORY.md and memory/*.md). Use it before you say that you do "
            "not know or remember something.",
            {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "Words to look for."},
                    "maxResults": {"type": "integer", "description": f"1 to {MAX_RESULTS}, default 6."},
                },
                "required": ["query"],
            },
        )

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        """Search.

        Raises:
            ToolError: no query, or the index cannot be used.
        """
        query = args.get("query")
        if not isinstance(query, str) or not query.strip():
            raise ToolError("The argument query is missing.")
        wanted = args.get("maxResults")
        limit = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else 6
        database = self._state_dir / "memory" / f"{context.request.agent_id}.sqlite"
        index = MemoryIndex(self._workspace(context.request), database)
        try:
            hits = index.search(query, max(1, min(limit, MAX_RESULTS)))
        except (OSError, sqlite3.Error) as error:
            log.warning("memory cannot be searched", agent=context.request.agent_id, error=error)
            raise ToolError(f"The notes cannot be searched now ({type(error).__name__}).") from error
        results = [
            {
                "path": hit.path,
                "startLine": hit.first,
                "endLine": hit.last,
                "score": hit.score,
                "snippet": hit.text[:SNIPPET_CHARS],
            }
            for hit in hits
        ]
        return ToolResult(msgspec.json.encode({"results": results}).decode())


class MemoryGet(_MemoryTool):
    """Reads lines of one note."""

    name = "memory_get"

    def spec(self, request: TurnRequest) -> ToolSpec:
        """Path and lines."""
        del request
        return ToolSpec(
            self.name,
            "Read lines of one of your notes, by the path memory_search gave.",
            {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "MEMORY.md or memory/….md"},
                    "from": {"type": "integer", "description": "First line, from 1."},
                    "lines": {"type": "integer", "description": f"How many, at most {GET_LINES}."},
                },
                "required": ["path"],
            },
        )

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        """Read.

        Raises:
            ToolError: no such note, or it cannot be read.
        """
        wanted = str(args.get("path") or "")
        path = memory_path(self._workspace(context.request), wanted)
        if path is None:
            raise ToolError(f"There is no note {wanted[:200]!r}; use a path that memory_search gave.")
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise ToolError(f"The note {wanted[:200]!r} cannot be read.") from error
        first = max(1, _number(args.get("from"), 1))
        count = max(1, min(_number(args.get("lines"), GET_LINES), GET_LINES))
        text = "\n".join(lines[first - 1 : first - 1 + count])
        answer = {
            "path": wanted,
            "from": first,
            "total": len(lines),
            "text": text[:GET_CHARS],
            "truncated": len(text) > GET_CHARS or first - 1 + count < len(lines),
        }
        return ToolResult(msgspec.json.encode(answer).decode())


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
