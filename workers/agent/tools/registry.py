"""Tools: what the model may ask for, and the table it is looked up in.

A tool either gives a :class:`ToolResult` at once, or parks the turn: it hands effects
(pushes into other lanes) and a wake key to the loop, which writes both with the journal
in one checkpoint and gives the thread back (R8). When the key fires, some worker calls
:meth:`Tool.resume` with the state the tool had left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from shoal.base.errors import RequestError
from shoal.state.effects import Effect
from shoal.state.store import Store
from workers.access.tool_policy import ToolPolicy
from workers.agent.context import TurnContext
from workers.agent.providers.base import ToolSpec
from workers.sessions.records import TurnRequest

__all__ = ["Sent", "Tool", "ToolContext", "ToolError", "ToolRegistry", "ToolResult", "Wait"]


class ToolError(RequestError):
    """The call was wrong or failed; the model reads it, as every ``RequestError``, and may try again."""

    code = "tool-error"


@dataclass(frozen=True, slots=True)
class Sent:
    """A visible message a tool made: where, what, and its ids once known."""

    channel_id: str
    text: str
    message_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model reads. ``sent`` lists visible messages, for duplicate suppression."""

    text: str
    error: bool = False
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait without a thread: effects now, ``resume`` when a key fires or ``delay_ms`` passed.

    ``state`` is the tool's own memory (bytes, ≤ 64 kB) and comes back in ``resume``.
    """

    wake_on: tuple[str, ...]
    state: bytes
    effects: Sequence[Effect] = ()
    delay_ms: int = 2_000


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know and use.

    Attributes:
        request: the message that is being answered.
        cause: identity of the head record; everything a tool sends derives from it.
        step: name of this call, unique in the turn and equal after a resume.
        store: state; only reads and blobs, all else goes out as effects.
        turn: interruption; a tool that takes long calls ``turn.check()``.
        again: the call was begun before, by a holder that did not finish it.
        joined: messages that came in meanwhile and that the model has read as well.
    """

    request: TurnRequest
    cause: str
    step: str
    store: Store
    turn: TurnContext
    again: bool = False
    joined: tuple[TurnRequest, ...] = ()


@runtime_checkable
class Tool(Protocol):
    """One tool.

    Attributes:
        name: as the model sees it.
        aliases: other names it answers to.
        idempotent: running it twice does no harm, so an interrupted run is repeated.
        limit_s: how long it may stand still before the lane is taken away (R24).
    """

    name: str
    aliases: tuple[str, ...]
    idempotent: bool
    limit_s: float

    def spec(self, request: TurnRequest) -> ToolSpec:
        """Description and schema for this conversation."""
        ...

    def available(self, request: TurnRequest) -> bool:
        """Whether this conversation and sender may use it."""
        ...

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        """Do it.

        Raises:
            ToolError: for the model to read.
        """
        ...

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        """Go on after a :class:`Wait`."""
        ...


@dataclass
class ToolRegistry:
    """Tools by name; filled once by ``tasks``, read by every turn."""

    tools: dict[str, Tool] = field(default_factory=dict)

    @classmethod
    def of(cls, tools: Iterable[Tool]) -> ToolRegistry:
        """A registry of these tools."""
        registry = cls()
        for tool in tools:
            registry.add(tool)
        return registry

    def add(self, tool: Tool) -> None:
        """Register a tool under its name.

        Raises:
            ValueError: the name is taken.
        """
        if tool.name in self.tools:
            raise ValueError(f"two tools are called {tool.name!r}")
        self.tools[tool.name] = tool

    def for_turn(self, request: TurnRequest, own: ToolPolicy | None = None) -> list[Tool]:
        """The tools of this turn, in a stable order: those that are available and not taken away.

        Args:
            own: the agent's policy; what is taken away in a place (the request's) comes on top.
        """
        return [tool for _, tool in sorted(self.tools.items()) if _open(tool, request, own)]

    def find(self, name: str, request: TurnRequest, own: ToolPolicy | None = None) -> Tool | None:
        """The tool the model means, by name or alias; none if it may not be used here."""
        called = (tool for _, tool in sorted(self.tools.items()) if name == tool.name or name in tool.aliases)
        return next((tool for tool in called if _open(tool, request, own)), None)


def _open(tool: Tool, request: TurnRequest, own: ToolPolicy | None) -> bool:
    """Whether no policy takes it away, and it is of use here (which may look at the disk: asked last)."""
    limits = request.tools
    here = ToolPolicy(limits.allow, limits.also_allow, limits.deny) if limits is not None else None
    policies = [policy for policy in (own, here) if policy is not None]
    return all(policy.admits(tool.name, *tool.aliases) for policy in policies) and tool.available(request)
