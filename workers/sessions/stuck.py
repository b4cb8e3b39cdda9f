"""Is a session's turn still getting anywhere? (``spec/inbound.md`` 5.5, ``diagnostics.*``)

=========================  ============================================================================
``long_running``           works for long, and gets somewhere
``blocked_tool_call``      a tool has run without a sign of progress
``stalled_agent_run``      so has the model, or something else of the turn
``stale_bookkeeping``      the lane is taken, and no process says that it works on it
=========================  ============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shoal.state.queues import lane_class

__all__ = ["Beat", "Finding", "Limits", "judge", "line"]

Recovery = Literal["none", "abort", "release"]


@dataclass(frozen=True, slots=True)
class Limits:
    """``stuckSessionWarnMs`` and ``stuckSessionAbortMs``."""

    warn_ms: int
    abort_ms: int


@dataclass(frozen=True, slots=True)
class Beat:
    """What the process that works on a session says of it. Times in ms."""

    step: str
    held_ms: int
    quiet_ms: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be said of a session.

    Attributes:
        label: first words of the line.
        state: ``long_running``, ``stalled`` or ``stuck``.
        age_ms: since when it is so.
        recovery: what is done about it.
        urgent: it is worth a warning; else it is for debugging.
    """

    label: str
    state: str
    classification: str
    age_ms: int
    reason: str
    recovery: Recovery = "none"
    urgent: bool = True


def judge(beat: Beat | None, unheard_ms: int, waiting: int, limits: Limits) -> Finding | None:
    """What is to be said of a session whose lane is taken; ``None``: all is well.

    Args:
        beat: the newest word of its holder; ``None`` where no process says anything.
        unheard_ms: for how long nobody has.
        waiting: messages behind the one in work.
    """
    if beat is None:
        if unheard_ms < limits.warn_ms:
            return None
        return Finding("stuck session", "stuck", "stale_bookkeeping", unheard_ms, "no_active_work", "release")
    if beat.quiet_ms < limits.warn_ms:
        if beat.held_ms < limits.warn_ms:
            return None
        return Finding(
            "long-running session", "long_running", "long_running", beat.held_ms, "active_work",
            urgent=waiting > 0,
        )  # fmt: skip
    tool = beat.step.startswith("tool ")
    return Finding(
        "stuck session",
        "stalled",
        "blocked_tool_call" if tool else "stalled_agent_run",
        beat.quiet_ms,
        "no_progress",
        "abort" if beat.quiet_ms >= limits.abort_ms else "none",
    )


def line(finding: Finding, lane: str, *, session_id: str, waiting: int, step: str) -> str:
    """The line of the log, word for word as operators know it (decision 25)."""
    key = lane.removeprefix(f"{lane_class(lane)}:")
    return (
        f"{finding.label}: sessionKey={key} state=processing age={finding.age_ms // 1000}s "
        f"sessionId={session_id or 'unknown'} queueDepth={waiting} reason={finding.reason} "
        f"classification={finding.classification} activeWork={step.replace(' ', ':') or 'none'} "
        f"recovery={finding.recovery}"
    )
