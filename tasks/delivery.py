"""``delivery.send``: what goes out to one channel, in order."""

from __future__ import annotations

from shoal.state.records import Grant
from shoal.state.steps import Step
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.delivery.send import deliver

__all__ = ["send_lane"]

UPLOAD_S = 150.0
"""One request with a file stands still for no longer; without a file it ends by its own time-out of 30 s."""
BATCH = 20
"""Sends to one channel worked off by one task before others get their turn."""


def send_lane(runtime: Runtime, lane: str) -> str:
    """Work off a delivery lane."""

    def handle(grant: Grant, context: TurnContext) -> Step:
        with context.step("send", UPLOAD_S):
            return deliver(grant, runtime.delivery_deps, context.check)

    return runtime.drain.run(lane, handle, max_records=BATCH, max_s=20.0)
