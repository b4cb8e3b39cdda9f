"""What a turn is given by its process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shoal.state.effects import Effect
from shoal.state.store import Store
from workers.agent.attached import Desk
from workers.agent.models import Models
from workers.agent.presence import Presences
from workers.agent.profile import AgentProfile
from workers.agent.providers.voices import Voices
from workers.agent.threads import Threads
from workers.agent.tools.files import LoadFile
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
        presences: shows people that a turn works; optional.
        hint: what tells the owner of a private answer to somebody who named the bot; optional.
        files: where the files of messages are asked for; none hands on their addresses only.
        threads: makes threads and reads how they began; without it answers go into the channel.
        load: reads files that go with an answer; without it a notice stands in for them.
        title: has a title found for a thread that was just made; may be lost.
        voices: asks speech services, for an account; without it no answer is read aloud.
    """

    store: Store
    models: Models
    tools: ToolRegistry
    profile: Callable[[TurnRequest], AgentProfile]
    presences: Presences | None = None
    hint: Callable[[TurnRequest], list[Effect]] = lambda _request: []
    files: Desk | None = None
    threads: Threads | None = None
    load: LoadFile | None = None
    title: Callable[[TurnRequest], None] | None = None
    voices: Callable[[str], Voices] | None = None
