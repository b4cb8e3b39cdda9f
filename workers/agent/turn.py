"""One turn: from the record at the head of a session lane to effects for its commit.

    grant ─▶ run_turn ─▶ Committed(effects) | Parked(wake_on) | Yielded | Failed
                            the drain loop of tasks does the lane call for each

Skeleton of the public API; the loop follows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from shoal.state.store import Store

from shoal.state.lanes import Grant
from shoal.state.records import Effect
from workers.agent.context import TurnContext
from workers.agent.models import Models
from workers.agent.profile import AgentProfile
from workers.agent.tools.registry import ToolRegistry
from workers.sessions.records import TurnRequest

__all__ = ["Committed", "Failed", "Parked", "TurnDeps", "TurnResult", "Yielded", "run_turn"]


@dataclass(frozen=True, slots=True)
class TurnDeps:
    """What turns of one process share.

    Attributes:
        store: Redis.
        models: providers and cooldowns.
        tools: the registry filled by ``tasks``.
        profile: settings of the agent that answers a request (from config, read per turn).
        typing: shows "typing …" for as long as the block runs; optional.
    """

    store: Store
    models: Models
    tools: ToolRegistry
    profile: Callable[[TurnRequest], AgentProfile]
    typing: Callable[[TurnRequest], AbstractContextManager[None]] | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """Commit these effects. ``summary`` is for Flower: no content."""

    effects: list[Effect]
    summary: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Park the lane until a key fires or the delay passed."""

    wake_on: tuple[str, ...]
    delay_ms: int
    summary: str


@dataclass(frozen=True, slots=True)
class Yielded:
    """Give the lane back; another worker goes on at once (shutdown) or after ``delay_ms``."""

    delay_ms: int
    summary: str


@dataclass(frozen=True, slots=True)
class Failed:
    """``failure`` is ``infrastructure`` or ``handled`` (R13)."""

    failure: str
    code: str
    reason: str
    summary: str


TurnResult = Committed | Parked | Yielded | Failed


def run_turn(grant: Grant, deps: TurnDeps, context: TurnContext) -> TurnResult:
    """Answer the head of a session lane.

    Raises:
        StaleGrant, LeaseLost: the lane is somebody else's; nothing was written.
        StoreUnavailable: Redis is away.
    """
    from workers.agent.loop import TurnLoop

    return TurnLoop(grant, deps, context).run()
