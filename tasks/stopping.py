"""Stopping is ours (rule R12).

Celery cannot stop a threads pool: a warm or soft shutdown waits for every running task.
So a shutdown sets one flag that every turn and drain loop looks at between steps; they
checkpoint and give their lane back, and whoever has not by ``GRACE_S`` is left behind: its
lease ends five seconds later and another worker carries on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from shoal.base.logging import get_logger

__all__ = ["GRACE_S", "Stopping"]

GRACE_S = 20.0
"""Seconds between the wish to stop and the hard end of the process; supervisors wait 30."""

log = get_logger(__name__)


class Stopping:
    """One flag for the whole process, and the timer that ends the process for good."""

    def __init__(self, leave: Callable[[int], None] = os._exit) -> None:
        self._event = threading.Event()
        self._leave = leave

    @property
    def requested(self) -> bool:
        """Whether this process is on its way out."""
        return self._event.is_set()

    def request(self, grace_s: float = GRACE_S) -> None:
        """Ask everything to stop; after ``grace_s`` the process leaves whatever still runs."""
        if self._event.is_set():
            return
        self._event.set()
        log.info("stopping: lanes are given back, the process leaves soon", grace_s=grace_s)
        timer = threading.Timer(grace_s, self._end)
        timer.daemon = True
        timer.start()

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; true as soon as a stop is requested."""
        return self._event.wait(seconds)

    def _end(self) -> None:
        log.warning("still busy after the grace period; leaving, the leases run out by themselves")
        self._leave(0)
