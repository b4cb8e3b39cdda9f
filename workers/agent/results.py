"""What a turn is given by its process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from shoal.state.store import Store
from workers.agent.models import Models
from workers.agent.profile import AgentProfile
from workers.agent.tools.registry import ToolRegistry
from workers.sessions.records import TurnRequest

__all__ = ["TurnDeps"]


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
