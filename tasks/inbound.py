"""``inbound.admit``: what becomes of the events of one channel.

Quick work only: Redis reads, one decision, one commit per event (rule R18).
"""

from __future__ import annotations

from collections.abc import Callable

from shoal.state.queues import lane_class
from shoal.state.records import Grant, decode_event
from shoal.state.steps import Commit, Step
from tasks.media import ask_for_files
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.delivery.notices import notice_push
from workers.delivery.pairing import pair_effect
from workers.sessions.admission import Admission, admit
from workers.sessions.view import StoreView

__all__ = ["BATCH", "admit_lane"]

BATCH = 50
"""Events of one channel worked off by one task before others get their turn."""
FACTS_S = 0.2
"""How long what was read about guild and channel serves the next events of the same batch."""


def admit_lane(runtime: Runtime, lane: str) -> str:
    """Work off an inbound, hold or fast lane."""
    fast = lane_class(lane) == "fast"
    views = _Views(runtime)

    def handle(grant: Grant, _context: TurnContext) -> Step:
        event = decode_event(grant.head.body)
        view = views.of(event.account)
        admission = admit(event, view, fast=fast)
        for stop in admission.stops:
            # a bound only ever moves forward, so writing it before the commit may be repeated
            runtime.store.lanes.stop(stop.lane, stop.born_ms, stop.message_id, reason=stop.reason)
        effects = [*admission.effects]
        if admission.notice is not None and not fast:
            effects.append(notice_push(admission.notice))
        if admission.knock is not None and not fast:
            effects.append(pair_effect(admission.knock))
        view.wrote(effects)
        return Commit(effects, admission.summary, _afterwards(runtime, admission))

    return runtime.drain.run(lane, handle, max_records=BATCH)


def _afterwards(runtime: Runtime, admission: Admission) -> Callable[[], None] | None:
    """Files are fetched once their message was let in, and never before (rule R18)."""
    wanted = admission.files
    return None if wanted is None else lambda: ask_for_files(runtime, wanted.lane, wanted.identity)


class _Views:
    """Views for the events of one lane, which are all about one channel: its facts are read once for a batch
    that is worked off in a moment, not once per event."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._made: dict[str, tuple[float, StoreView]] = {}

    def of(self, account: str) -> StoreView:
        """The view for an event of ``account``."""
        now = self._runtime.clock.monotonic()
        made = self._made.get(account)
        if made is None or now - made[0] > FACTS_S:
            view = StoreView(self._runtime.admission_settings(account), self._runtime.store)
            made = self._made[account] = (now, view)
        return made[1]
