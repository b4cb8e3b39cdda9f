"""``session.turn``: one turn of one conversation. One turn is one task, so Flower is worth opening."""

from __future__ import annotations

from shoal.state.records import Grant
from tasks.drain import Commit, Fail, Park, Step, Yield
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.agent.turn import Committed, Failed, Parked, TurnResult, Yielded, run_turn

__all__ = ["turn_lane"]


def turn_lane(runtime: Runtime, lane: str) -> str:
    """Run the turn at the head of a session lane."""

    def handle(grant: Grant, context: TurnContext) -> Step:
        return _step(run_turn(grant, runtime.turn_deps, context))

    return runtime.drain.run(lane, handle, limit=runtime.turn_limit)


def _step(result: TurnResult) -> Step:
    match result:
        case Committed():
            return Commit(result.effects, result.summary)
        case Parked():
            return Park(result.wake_on, result.delay_ms, result.summary, result.wake_on_push)
        case Yielded():
            return Yield(result.delay_ms, result.summary)
        case Failed():
            return Fail(result.failure, result.code, result.reason, result.summary)
