"""``session.turn``: one turn of one conversation. One turn is one task, so Flower is worth opening."""

from __future__ import annotations

from shoal.base.errors import StoreUnavailable
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

    if not runtime.drain.quarantine:  # a record that runs alone does so wherever it can
        try:
            home = runtime.at_home.elsewhere(lane)
        except StoreUnavailable:
            return "store unavailable"  # the hint is lost, the record is not: a sweep hints again
        if home:
            return (
                f"at home on {home}"  # its route has changed since the hint: a sweep sends the next one there
            )
    return runtime.drain.run(lane, handle, limit=runtime.turn_limit)
