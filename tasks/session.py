"""``session.turn``: one turn of one conversation. One turn is one task, so Flower is worth opening."""

from __future__ import annotations

from shoal.state.records import Grant
from shoal.state.steps import Step
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.agent.turn import run_turn

__all__ = ["turn_lane"]


def turn_lane(runtime: Runtime, lane: str) -> str:
    """Run the turn at the head of a session lane."""

    def handle(grant: Grant, context: TurnContext) -> Step:
        return run_turn(grant, runtime.turn_deps, context)

    return runtime.drain.run(lane, handle, limit=runtime.turn_limit)
