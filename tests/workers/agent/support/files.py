"""An agent that sends files of its workspace: its turn, what it sends, and what its model reads of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from shoal.discord.fetch import Fetched
from shoal.simulator.models import ModelServer
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import LANE, deliver, deps, drive, record, request
from workers.agent.results import TurnDeps
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolRegistry
from workers.delivery.outgoing import Outgoing
from workers.delivery.records import SendFile, SendRequest
from workers.media.paths import Places
from workers.sessions.records import TurnRequest

__all__ = ["Used", "call", "never", "rules", "told", "with_files"]

Used = Callable[[ModelServer], TurnDeps]


def never(*_args: Any, **_more: Any) -> Fetched:
    """No address is fetched here."""
    raise AssertionError("nothing is fetched here")


def with_files(store: Store, work: Path, state: Path, *, most_bytes: int) -> Used:
    """Makes turn dependencies whose message tool sends files of ``work``."""
    outgoing = Outgoing("default", Places((work,), state), never, lambda _url: False, store.blobs, most_bytes)

    def load(
        turn: TurnRequest, source: str, *, filename: str, check: Callable[[], None], voice: bool = False
    ) -> SendFile:
        del turn
        if voice:
            return outgoing.load_voice(source, check=check)
        return outgoing.load(source, filename=filename, check=check)

    def make(server: ModelServer) -> TurnDeps:
        made = deps(store, server)
        return replace(made, load=load, tools=ToolRegistry.of([MessageTool(load=load)]))

    return make


def call(store: Store, server: ModelServer, used: Used) -> list[SendRequest]:
    """One turn and its deliveries; what was sent."""
    store.lanes.push(LANE, record(request()))
    sent: list[SendRequest] = []
    drive(store, used(server), sent)
    deliver(store, sent)
    return sent


def told(server: ModelServer) -> str:
    """What the model read of its call."""
    return str(bodies(server)[-1]["messages"][-1]["content"])


def rules(**arguments: Any) -> list[dict[str, Any]]:
    """The model calls its message tool once, and says nothing."""
    return [
        {"tool_calls": [{"name": "message", "arguments": {"action": "send", **arguments}}]},
        {"text": ["NO_REPLY"]},
    ]
