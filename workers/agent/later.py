"""One look later: what a turn shows is looked at again after a while, whatever its own thread does then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["Later"]


class Later:
    """Calls ``look`` once at the time that was set last, from a thread of its own, with ``lock`` held.

    Its methods are called with the lock held, too; so a look that is called off while it waits for the
    lock does not happen.
    """

    def __init__(self, lock: AbstractContextManager[object], look: Callable[[], None]) -> None:
        self._lock = lock
        self._look = look
        self._timer: threading.Timer | None = None
        self._at = 0.0

    def sooner(self, at: float) -> None:
        """Look at this monotonic time, unless that is to happen earlier anyway."""
        if self._timer is None or self._at > at + 0.01:
            self.set(at)

    def set(self, at: float) -> None:
        """Look at this monotonic time, and not when it was said before."""
        self.cancel()
        self._at = at
        self._timer = threading.Timer(max(0.0, at - time.monotonic()) + 0.001, self._due)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Do not look."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        with self._lock:
            if self._timer is not threading.current_thread():
                return  # called off while it waited for the lock
            self._timer = None
            self._look()
