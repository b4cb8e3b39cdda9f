"""What a preview says: pure text (``spec/outbound.md`` 4.4).

A *progress draft* is a label and a line for each tool; it never shows a word of the answer, and what the
model says before it uses tools only where ``progress.commentary`` wants it. A partial preview is the answer
as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from shoal.base.foreign import read_json
from shoal.base.redact import redactor
from workers.agent.sanitize import clean_answer, held_back, without_beginnings
from workers.agent.silence import strip_heartbeat

__all__ = [
    "LABELS",
    "comment_line",
    "draft_text",
    "headline_text",
    "label_of",
    "partial_text",
    "tool_line",
    "tool_title",
    "whole_blocks",
]

LABELS = (
    "Thinking...", "Working...", "Pondering...", "Digging...", "Sorting...", "Checking...", "Reading...",
    "Weaving...", "Brewing...", "Tinkering...", "Sketching...", "Mapping...", "Gathering...", "Puzzling...",
    "Polishing...", "Diving...", "Charting...", "Untangling...", "Assembling...", "Exploring...",
)  # fmt: skip
"""One of them heads the drafts of a channel, always the same one."""
BULLET = "• "
COMMENT = "💬"
HEADLINE_CHARS = 240
DETAIL_CHARS = 500
"""Of one argument: lines are far shorter."""
HEAD_SHARE = 0.45
"""Of a line that is too long so much of the beginning is kept, and of the end what fits."""

_TOOLS: dict[str, tuple[str, str]] = {
    "exec": ("🛠️", "Bash"),
    "bash": ("🛠️", "Bash"),
    "process": ("🛠️", "Process"),
    "read": ("📖", "Read"),
    "write": ("✍️", "Write"),
    "edit": ("📝", "Edit"),
    "apply_patch": ("📝", "Patch"),
    "web_search": ("🔎", "Web Search"),
    "web_fetch": ("🌐", "Web Fetch"),
    "memory_search": ("🧠", "Memory Search"),
    "memory_get": ("🧠", "Memory"),
    "skill": ("🧩", "Skill"),
    "cron": ("⏰", "Cron"),
    "tts": ("🔊", "Speech"),
    "image": ("🖼️", "Image"),
}
_COMMANDS = frozenset({"exec", "bash", "process"})
_DETAILS = ("command", "cmd", "query", "url", "path", "file_path", "name", "title", "action")
_SENTENCE = re.compile(r"[.!?。！？](?=\s|$)")


def label_of(
    wanted: str | Literal[False], labels: Sequence[str] | None, account: str, channel_id: str
) -> str:
    """The first line of a draft: as written, none, or the channel's own of the pool."""
    if wanted is False:
        return ""
    if wanted.strip().lower() != "auto":
        return _one_line(wanted)
    pool = [label for label in (_one_line(each) for each in labels or ()) if label] or list(LABELS)
    return pool[_fnv1a(f"{account}:{channel_id}") % len(pool)]


def tool_line(name: str, arguments: str, *, raw: bool, whole: bool = False) -> str:
    """One line of work, without its bullet: ``🛠️ Bash: run tests``.

    Args:
        arguments: JSON as the model wrote it.
        raw: show commands; else their label only.
        whole: show the other arguments, too (``toolProgressDetail: raw``).
    """
    title = tool_title(name)
    detail, *rest = ["", ""] if name in _COMMANDS and not raw else _details(arguments)
    if detail and name.endswith("search"):
        detail = f'for "{detail}"'
    detail = ", ".join(part for part in (detail, *rest) if part) if whole else detail
    line = f"{title}: {detail}" if detail else title
    return line.replace("`", "") if line.count("`") % 2 else line


def comment_line(said: str) -> str:
    """A line of what a model said before it uses tools, without its bullet; empty: nothing for people."""
    text = _one_line(strip_heartbeat(clean_answer(said).text))
    line = f"{COMMENT} {text}" if text else ""
    return line.replace("`", "") if line.count("`") % 2 else line


def headline_text(said: str) -> str:
    """What a model said of a turn, as one line; empty: nothing of use."""
    return _compact(_one_line(clean_answer(said).text), HEADLINE_CHARS)


def tool_title(name: str) -> str:
    """What people call a tool: ``🛠️ Bash``."""
    return " ".join(_TOOLS.get(name, ("🔧", name.replace("_", " ").replace("-", " ").title())))


def draft_text(label: str, lines: Sequence[str], *, max_lines: int, max_line_chars: int) -> str:
    """The draft: label, then the newest lines; equal neighbours are one. The label counts as a line."""
    merged: list[str] = []
    for line in lines:
        if not merged or merged[-1] != line:
            merged.append(line)
    room = max_lines - bool(label)
    shown = merged[-room:] if room > 0 else []
    bullets = [_compact(f"{BULLET}{line}", max_line_chars) for line in shown]
    return "\n".join([label, *bullets] if label else bullets)


def partial_text(raw: str) -> str:
    """What may be shown of an answer that is still being written; empty: nothing yet."""
    if held_back(raw) or raw.lstrip().startswith("Reasoning:\n"):
        return ""
    return clean_answer(without_beginnings(raw)).text


def whole_blocks(text: str, shown: int, *, min_chars: int, max_chars: int, prefer: str) -> int:
    """How much of ``text`` is to be seen, of which ``shown`` characters are: whole blocks only."""
    while len(text) - shown >= min_chars:
        window = text[shown : shown + max_chars]
        cut = _break(window, min_chars, prefer)
        if cut == 0:
            if len(window) < max_chars:
                break  # the block is not whole yet
            cut = max(window.rfind(" "), 0) or max_chars
        shown += cut
    return shown


def _break(window: str, min_chars: int, prefer: str) -> int:
    """The last place at or after ``min_chars`` where a block may end; 0: none. Coarse places come first."""
    kinds = ("paragraph", "newline", "sentence")
    for kind in kinds[kinds.index(prefer) :] if prefer in kinds else kinds:
        if kind == "sentence":
            ends = [hit.end() for hit in _SENTENCE.finditer(window)]
            cut = ends[-1] if ends else 0
        else:
            at = window.rfind("\n\n" if kind == "paragraph" else "\n")
            cut = at if at > 0 else 0
        if cut >= min_chars:
            return cut
        if kind == prefer and len(window) < min_chars * 2:
            return 0  # wait for the better place
    return 0


def _details(arguments: str) -> list[str]:
    """What a call is about, then its other arguments as ``name=value``; without secrets."""
    try:
        values = read_json(arguments or "{}")
    except ValueError:
        return [""]
    if not isinstance(values, dict):
        return [""]
    about = next((name for name in _DETAILS if isinstance(values.get(name), str)), "")
    words = [str(values.pop(about))] if about else [""]
    for name, value in values.items():
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        words.append(f"{name}={shown}")
    return [redactor.mask(_one_line(word))[:DETAIL_CHARS] for word in words]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _compact(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    head = max(1, int(limit * HEAD_SHARE))
    tail = max(0, limit - head - 1)
    short = f"{line[:head].rstrip()}…{line[-tail:].lstrip() if tail else ''}"
    return short.replace("`", "") if short.count("`") % 2 else short


def _fnv1a(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
