"""Whether the last words of a turn are shown, in one place (``spec/inbound.md`` 9.1, 9.2).

In guilds and group DMs the final text is private unless the config says ``automatic``: what
people see the agent sends itself, with the message tool. In DMs it is shown. The built-in
guide always shows its answer, since it has nothing to be private about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Literal

from shoal.base.logging import get_logger
from workers.agent.models import GUIDE, candidates
from workers.agent.profile import AgentProfile
from workers.agent.sanitize import Cleaned, normalised
from workers.agent.silence import SilencePolicy, strip_heartbeat
from workers.sessions.records import TurnRequest

__all__ = ["Final", "ReplyMode", "Unshown", "failure_is_told", "final_of", "reply_mode"]

REPEATED_CHARS = 30
"""A text this long that stands in what was sent is a repetition; a shorter one may be chance."""

log = get_logger(__name__)

ReplyMode = Literal["automatic", "message_tool_only"]


class Unshown(StrEnum):
    """Why a turn that ended showed nothing of its last words; ``shoal explain`` tells it."""

    PRIVATE_FINAL = "private-final"
    """``visibleReplies`` leaves showing to the message tool, and the agent did not use it for this."""
    NO_REPLY = "no-reply"
    """The model chose to say nothing."""
    HEARTBEAT_OK = "heartbeat-ok"
    EMPTY = "empty"
    STRIPPED = "stripped"
    """Copied metadata or scaffolding and nothing else (``spec/inbound.md`` 6.7)."""
    DUPLICATE = "duplicate"
    """The same words were sent with the message tool."""
    SEND_DENIED = "send-denied"
    """``session.sendPolicy`` or ``/send off``."""


def reply_mode(request: TurnRequest, profile: AgentProfile, *, tool_available: bool) -> ReplyMode:
    """How the final answer of this turn is delivered.

    The first that says something wins: what the caller of the turn asked for; a slash command is answered;
    the config for this kind of conversation; and where the message tool may not be used nothing is hidden.

    Args:
        tool_available: the message tool may be used in this turn.
    """
    if request.reply_mode:
        return request.reply_mode
    if request.origin == "command" or candidates(profile.primary, profile.fallbacks)[0] == GUIDE:
        return "automatic"
    if request.chat_type == "direct":
        wanted = profile.visible_all or "automatic"
    else:
        wanted = profile.visible_group or profile.visible_all or "message_tool"
    if wanted == "automatic":
        return "automatic"
    if not tool_available:
        _warn_of_missing_tool(profile.agent_id)
        return "automatic"
    return "message_tool_only"


@cache
def _warn_of_missing_tool(agent_id: str) -> None:
    """Once per process and agent."""
    log.warning(
        "answers are shown although visibleReplies is message_tool: the agent has no message tool",
        agent=agent_id,
        fix='Allow the tool "message" for this agent, or set visibleReplies to "automatic".',
    )


def failure_is_told(request: TurnRequest) -> bool:
    """Whether people read that a turn failed: in private, and after a command. Rooms get no boilerplate."""
    return request.chat_type == "direct" or request.origin == "command"


@dataclass(frozen=True, slots=True)
class Final:
    """What becomes of a turn's last words.

    Attributes:
        text: what is sent.
        media: what is sent along.
        unshown: why nothing is sent.
        filler: text of our catalogue that is sent instead: ``silent``, ``empty`` or ``tool-failed``.
    """

    text: str = ""
    media: tuple[Any, ...] = ()
    unshown: Unshown | None = None
    filler: Literal["", "silent", "empty", "tool-failed"] = ""


def final_of(
    cleaned: Cleaned,
    *,
    mode: ReplyMode,
    silence: SilencePolicy,
    talked: Sequence[str] = (),
    media: Sequence[Any] = (),
    heard: bool = False,
    may_send: bool = True,
    tool_failed: bool = False,
) -> Final:
    """Decide about the last words of a turn.

    Args:
        talked: what the agent sent into this conversation with the message tool.
        media: files that belong to the answer; they are shown although its text is silent.
        heard: so is what is only to be heard.
        may_send: false where ``sendPolicy`` or ``/send off`` suppress delivery.
        tool_failed: the last thing the turn did was a tool that failed, which people are to be told.
    """
    text = strip_heartbeat(cleaned.text)
    if not (text or media or heard):
        nothing = _nothing(cleaned, mode, silence, talked)
        if tool_failed and not talked and mode == "automatic" and _is_empty(nothing):
            nothing = Final(filler="tool-failed")
        return Final(unshown=Unshown.SEND_DENIED) if nothing.filler and not may_send else nothing
    if not may_send:
        return Final(unshown=Unshown.SEND_DENIED)
    if mode == "message_tool_only":
        return Final(unshown=Unshown.PRIVATE_FINAL)
    if not (media or heard) and _was_said(text, talked):
        return Final(unshown=Unshown.DUPLICATE)
    return Final(text, tuple(media))


def _is_empty(final: Final) -> bool:
    """The model gave no answer, where saying nothing would have been one."""
    return final.filler == "empty" or final.unshown is Unshown.EMPTY


def _was_said(text: str, talked: Sequence[str]) -> bool:
    """Whether the agent has said just this already; longer texts also in parts, or as a part of more."""
    said, parts = normalised(text), [normalised(sent) for sent in talked]
    return said in parts or (len(said) >= REPEATED_CHARS and said in " ".join(parts))


def _nothing(cleaned: Cleaned, mode: ReplyMode, silence: SilencePolicy, talked: Sequence[str]) -> Final:
    """The model said nothing. Where silence looks broken (DMs, by default) a short line stands in."""
    if cleaned.text:
        why = Unshown.HEARTBEAT_OK
    elif cleaned.stripped:
        why = Unshown.STRIPPED
    else:
        why = Unshown.NO_REPLY if cleaned.silent or talked else Unshown.EMPTY
    if talked or silence.allowed or mode == "message_tool_only":
        return Final(unshown=why)
    if why is Unshown.EMPTY:
        return Final(filler="empty")
    return Final(filler="silent") if silence.rewrite and why is Unshown.NO_REPLY else Final(unshown=why)
