"""``delivery.send``: what goes out to one channel, in order."""

from __future__ import annotations

from shoal.state.records import Grant
from tasks.drain import Commit, Fail, Step, Yield
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.delivery.send import DeliveryResult, Done, Failed, Yielded, deliver

__all__ = ["send_lane"]

BATCH = 20
"""Sends to one channel worked off by one task before others get their turn."""


def send_lane(runtime: Runtime, lane: str) -> str:
    """Work off a delivery lane."""

    def handle(grant: Grant, context: TurnContext) -> Step:
        return _step(deliver(grant, runtime.delivery_deps, context.check))

    return runtime.drain.run(lane, handle, max_records=BATCH, max_s=20.0)


def _step(result: DeliveryResult) -> Step:
    match result:
        case Done():
            return Commit(result.effects, result.summary)
        case Yielded():
            return Yield(result.delay_ms, result.summary)
        case Failed():
            return Fail(result.failure, result.code, result.reason, delay_ms=result.delay_ms)
