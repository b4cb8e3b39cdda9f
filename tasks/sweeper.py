"""Finds what nobody is looking at: due lanes without a hint, leases that ended (rule R23).

Every worker process runs this thread, so the fleet sweeps as long as one process lives. A
sweep is one short script per lane class and may run as often as it likes.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving, start_thread
from shoal.state.store import Store
from tasks.stopping import Stopping
from tasks.stuck import StuckWatch

__all__ = ["SWEEP_EVERY_S", "Sweeper"]

SWEEP_EVERY_S = 0.5
SWEEP_LIMIT = 200
SHORTEST_PAUSE_S = 0.05
"""A delay that ends sooner than the next round (a rate wait) is met to this precision."""

log = get_logger(__name__)


class Sweeper:
    """The sweeping thread of one process."""

    def __init__(
        self,
        store: Store,
        stopping: Stopping,
        tell: Callable[[], object] = lambda: None,
        stuck: StuckWatch | None = None,
    ) -> None:
        """See the class.

        Args:
            tell: tells people of records that died, if there are any (:mod:`tasks.deaths`).
            stuck: looks for sessions that stand still, in between.
        """
        self._store = store
        self._stopping = stopping
        self._tell = tell
        self._stuck = stuck

    def start(self) -> None:
        """Begin sweeping until the process stops."""
        start_thread("sweeper", self._run, self._stopping.failed)

    def _run(self) -> None:
        pause = SWEEP_EVERY_S
        while not self._stopping.wait(pause * random.uniform(0.8, 1.2)):
            pause = SWEEP_EVERY_S
            # one record that breaks us must not end the sweeping of a whole fleet
            with Surviving("sweep failed"):
                pause = self._round()

    def _round(self) -> float:
        """Everything that is due; seconds until the next round."""
        try:
            self.sweep_once()
            self._tell()
            if self._stuck is not None:
                self._stuck.look_if_due()
            return max(SHORTEST_PAUSE_S, self._store.lanes.next_due_in(int(SWEEP_EVERY_S * 1000)) / 1000)
        except ShoalError as error:
            log.warning("sweep skipped", error=error)
            return SWEEP_EVERY_S

    def sweep_once(self) -> None:
        """One round over the lane classes in which something is due."""
        for lane_class in self._store.lanes.to_sweep():
            swept = self._store.lanes.sweep(lane_class, SWEEP_LIMIT)
            if swept.expired or swept.quarantined or swept.dead:
                log.warning(
                    "leases ended without a word from their holder",
                    lane_class=lane_class,
                    expired=swept.expired,
                    quarantined=swept.quarantined,
                    dead=swept.dead,
                )
