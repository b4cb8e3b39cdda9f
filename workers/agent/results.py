"""What a turn is given by its process, and what it hands back to the drain loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from shoal.state.effects import Effect
from shoal.state.records import Failure
from shoal.state.store import Store
from workers.agent.models import Models
from workers.agent.profile import AgentProfile
from workers.agent.tools.registry import ToolRegistry
from workers.sessions.records import TurnRequest

__all__ = ["Committed", "Failed", "Parked", "TurnDeps", "TurnResult", "Yielded"]


@dataclass(frozen=True, slots=True)
class TurnDeps:
    """What the turns of one process share.

    Attributes:
        store: Redis.
        models: providers and their rests.
        tools: the registry filled by ``tasks``.
        profile: settings of the agent that answers a request; read once per turn.
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
    """Park the lane until a key fires or ``delay_ms`` passed."""

    wake_on: tuple[str, ...]
    delay_ms: int
    wake_on_push: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Yielded:
    """Give the lane back; another worker goes on after ``delay_ms``."""

    delay_ms: int
    summary: str


@dataclass(frozen=True, slots=True)
class Failed:
    """``lanes.fail(grant, failure, code=code, reason=reason)`` (R13)."""

    failure: Failure
    code: str
    reason: str
    summary: str


TurnResult = Committed | Parked | Yielded | Failed
