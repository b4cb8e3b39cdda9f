"""Saying nothing: who may, and the words that mean it (``spec/inbound.md`` 9.2, 9.3).

``NO_REPLY`` is recognised in :mod:`workers.agent.sanitize`; here is ``HEARTBEAT_OK``, which models that
also serve heartbeats write in ordinary turns too, and the policy for kinds of conversations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from config.schema.agents import SilentReply, SilentRewrite
from config.schema.root import Root
from workers.sessions.records import TurnRequest

__all__ = [
    "HEARTBEAT",
    "SilenceKind",
    "SilencePolicy",
    "silence_kind",
    "silence_policy",
    "strip_heartbeat",
]

HEARTBEAT = "HEARTBEAT_OK"
SilenceKind = Literal["direct", "group", "internal"]

_BEFORE = r"(?:<(?i:[a-z][a-z0-9-]*)(?:\s[^<>]{0,200})?>|&nbsp;|[\s*`~_])*"
_BEHIND = r"(?:</(?i:[a-z][a-z0-9-]*)>|&nbsp;|[\s*`~_])*"
"""HTML and Markdown; what Discord writes between ``<`` and ``>`` is none of it."""
_START = re.compile(rf"\A{_BEFORE}{HEARTBEAT}(?=\W|\Z)[^\w\s<]{{0,4}}{_BEHIND}")
_END = re.compile(rf"(?:\A|(?<=\W)|(?=[\s<&])){_BEFORE}{HEARTBEAT}[^\w<]{{0,4}}{_BEHIND}\Z")
_WORD = re.compile(r"\w")

_ALLOWED: dict[SilenceKind, bool] = {"direct": False, "group": True, "internal": True}


@dataclass(frozen=True, slots=True)
class SilencePolicy:
    """What becomes of a bare silent answer in one kind of conversation.

    Attributes:
        allowed: silence is an answer, and an empty answer is silence.
        rewrite: where it is not: a short visible line takes its place.
    """

    allowed: bool = True
    rewrite: bool = False


def silence_kind(request: TurnRequest) -> SilenceKind:
    """Which policy a turn has."""
    if request.origin not in ("message", "command"):
        return "internal"
    return "direct" if request.chat_type == "direct" else "group"


def silence_policy(root: Root | None, kind: SilenceKind) -> SilencePolicy:
    """``surfaces.discord`` over ``agents.defaults``, over: rooms may be silent, DMs may not."""
    if root is None:
        return SilencePolicy(allowed=_ALLOWED[kind], rewrite=True)
    surface, defaults = root.surfaces.get("discord"), root.agents.defaults
    allow: list[SilentReply] = [defaults.silent_reply]
    rewrite: list[SilentRewrite] = [defaults.silent_reply_rewrite]
    if surface is not None:
        allow[:0] = [surface.silent_reply] if surface.silent_reply is not None else []
        rewrite[:0] = [surface.silent_reply_rewrite] if surface.silent_reply_rewrite is not None else []
    said = next((value for level in allow if (value := getattr(level, kind)) is not None), None)
    filler = next((value for level in rewrite if (value := getattr(level, kind)) is not None), None)
    return SilencePolicy(
        allowed=_ALLOWED[kind] if said is None else said == "allow",
        rewrite=filler is not False,
    )


def strip_heartbeat(text: str) -> str:
    """The answer of an ordinary turn without ``HEARTBEAT_OK`` at its start and end; inside it stays.

    Up to four characters that belong to no word may follow the token, and Markdown or HTML may be around
    it. Empty if nothing else was said.
    """
    if HEARTBEAT not in text:
        return text
    bare = _strip_edges(text)
    if bare == text.strip():
        return text
    return bare if _WORD.search(bare) else ""


def _strip_edges(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = _START.sub("", _END.sub("", text, count=1), count=1).strip()
    return text
