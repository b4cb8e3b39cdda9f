"""``inbound.admit``: what becomes of the events of one channel.

Quick work only: Redis reads, one decision, one commit per event (rule R18).
"""

from __future__ import annotations

from shoal.state.queues import lane_class
from shoal.state.records import Grant, InboundEvent, decode_event
from tasks.drain import Commit, Step
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.delivery.notices import notice_push
from workers.sessions.admission import Admission, admit
from workers.sessions.view import StoreView

__all__ = ["BATCH", "admit_lane"]

BATCH = 50
"""Events of one channel worked off by one task before others get their turn."""


def admit_lane(runtime: Runtime, lane: str) -> str:
    """Work off an inbound, hold or fast lane."""
    fast = lane_class(lane) == "fast"

    def handle(grant: Grant, _context: TurnContext) -> Step:
        event = decode_event(grant.head.body)
        admission = _admit(runtime, event, fast=fast)
        if admission.stop is not None:
            # a bound only ever moves forward, so writing it before the commit may be repeated
            stop = admission.stop
            runtime.store.lanes.stop(stop.lane, stop.born_ms, stop.message_id)
        effects = [*admission.effects]
        if admission.notice is not None and not fast:
            effects.append(notice_push(admission.notice))
        return Commit(effects, admission.summary)

    return runtime.drain.run(lane, handle, max_records=BATCH)


def _admit(runtime: Runtime, event: InboundEvent, *, fast: bool) -> Admission:
    return admit(event, StoreView(runtime.admission_settings(event.account), runtime.store), fast=fast)
