"""Finds what nobody is looking at: due lanes without a hint, leases that ended (rule R23).

Every worker process runs this thread, so the fleet sweeps as long as one process lives. A
sweep is one short script per lane class and may run as often as it likes.
"""

from __future__ import annotations

import random
import threading

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.state.queues import CLASSES
from shoal.state.store import Store
from tasks.stopping import Stopping

__all__ = ["SWEEP_EVERY_S", "Sweeper"]

SWEEP_EVERY_S = 0.5
SWEEP_LIMIT = 200

log = get_logger(__name__)


class Sweeper:
    """The sweeping thread of one process."""

    def __init__(self, store: Store, stopping: Stopping) -> None:
        self._store = store
        self._stopping = stopping

    def start(self) -> None:
        """Begin sweeping until the process stops."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def _run(self) -> None:
        while not self._stopping.wait(SWEEP_EVERY_S * random.uniform(0.8, 1.2)):
            try:
                self.sweep_once()
            except ShoalError as error:
                log.warning("sweep skipped", error=error)

    def sweep_once(self) -> None:
        """One round over all lane classes."""
        for lane_class in CLASSES:
            swept = self._store.lanes.sweep(lane_class, SWEEP_LIMIT)
            if swept.expired or swept.quarantined or swept.dead:
                log.warning(
                    "leases ended without a word from their holder",
                    lane_class=lane_class,
                    expired=swept.expired,
                    quarantined=swept.quarantined,
                    dead=swept.dead,
                )
