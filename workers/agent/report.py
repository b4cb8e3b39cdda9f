"""What is told of a turn that is over: to ``shoal explain``, to the log, and in one line to its lane."""

from __future__ import annotations

import msgspec

from shoal.base.durations import format_duration
from shoal.base.redact import redactor
from workers.agent.closing import Closing
from workers.agent.journal import State
from workers.agent.models import candidates
from workers.agent.profile import AgentProfile
from workers.sessions.records import TurnRequest

__all__ = ["turn_facts", "turn_note", "turn_summary"]

MAX_TOOLS = 20
"""Names of tools in a note."""
MAX_WHY = 300


def turn_note(request: TurnRequest, profile: AgentProfile, state: State, closing: Closing, now: int) -> str:
    """The ``turn`` note of ``shoal explain``, as JSON."""
    model = state.model or candidates(profile.primary, profile.fallbacks)[0]
    data: dict[str, object] = {
        "session": request.session_key,
        "model": str(model),
        "in": state.usage.input,
        "out": state.usage.output,
        "tools": state.tools[:MAX_TOOLS],
        "ms": _took_ms(state, now),
        "didSendViaMessagingTool": bool(state.sent),
    }
    if state.blocks:
        data["blocks"] = state.blocks
    if closing.silent:
        data["silent"] = closing.silent
        data["length"] = closing.length
    if state.final is not None and state.final.stop not in ("end", "tools"):
        data["stop"] = state.final.stop  # what was shown is not all, or not an answer
    if closing.send is not None and closing.send.spoken:
        data["heard"] = True
    if closing.unheard:
        data["unheard"] = redactor.mask(closing.unheard)[:MAX_WHY]
    if state.refusals:
        data["refusals"] = state.refusals
    return msgspec.json.encode(data).decode()


def turn_facts(request: TurnRequest, state: State, closing: Closing) -> dict[str, object]:
    """The fields of the log line."""
    return {
        "session": request.session_key,
        "message_id": request.message_id,
        "outcome": str(closing.verdict),
        "model": str(state.model or ""),
        "tokens_in": state.usage.input,
        "tokens_out": state.usage.output,
        "didSendViaMessagingTool": bool(state.sent),
        "silent": closing.silent,
        "text_length": closing.length,
    }


def turn_summary(state: State, closing: Closing, now: int) -> str:
    """One line: the outcome, how many tools and messages, why nothing was shown, how long it took."""
    parts = [str(closing.verdict)]
    if state.tools:
        parts.append(_counted(len(state.tools), "tool"))
    parts.append(_counted(len(state.sent) + state.blocks + (closing.send is not None), "message"))
    if closing.silent and closing.silent != str(closing.verdict):
        parts.append(closing.silent)
    parts.append(format_duration(_took_ms(state, now) / 1000))
    return " · ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _took_ms(state: State, now: int) -> int:
    return max(0, now - state.began_ms) if state.began_ms else 0
