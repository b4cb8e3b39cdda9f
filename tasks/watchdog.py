"""A worker that has gone deaf leaves, so that its supervisor starts a fresh one (rule R23).

Celery consumers on Redis have been seen to stop consuming after a reconnect while the
process looks healthy. The oracle is plain: free slots, a queue that is not empty, and
nothing taken for ``DEAF_S``. The signals below are fired by the consuming loop itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

from celery import signals
from redis.exceptions import RedisError

from shoal.base import exits
from shoal.base.errors import ShoalError, StateError, StoreUnavailable
from shoal.base.logging import get_logger
from shoal.base.threads import start_thread
from shoal.state.store import Store

__all__ = ["DEAF_S", "Watchdog"]

DEAF_S = 5.0
LOOK_EVERY_S = 1.0

log = get_logger(__name__)


class Watchdog:
    """Watches one worker process from inside."""

    def __init__(
        self,
        store: Store,
        queue_keys: Sequence[str],
        concurrency: int,
        *,
        in_hand: Callable[[], int] | None = None,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        """See the class.

        Args:
            queue_keys: Redis keys of the lists this worker consumes.
            concurrency: tasks it can run at once.
            in_hand: tasks it has now, where they run in other processes; none counts them by their signals.
            leave: ends the process.
        """
        self._store = store
        self._queue_keys = list(queue_keys)
        self._concurrency = concurrency
        self._in_hand = in_hand
        self._leave = leave
        self._lock = threading.Lock()
        self._running = 0
        self._taken_at = time.monotonic()
        self._waiting_since: float | None = None

    def start(self) -> None:
        """Connect the signals and begin looking."""
        signals.task_received.connect(self._on_received, weak=False)
        signals.task_prerun.connect(self._on_prerun, weak=False)
        signals.task_postrun.connect(self._on_postrun, weak=False)
        start_thread("watchdog", self._run, self._failed)

    @property
    def running(self) -> int:
        """Tasks in hand."""
        return self._running if self._in_hand is None else self._in_hand()

    def _on_received(self, **_: object) -> None:
        self._taken_at = time.monotonic()

    def _on_prerun(self, **_: object) -> None:
        with self._lock:
            self._running += 1

    def _on_postrun(self, **_: object) -> None:
        with self._lock:
            self._running -= 1
        self._taken_at = time.monotonic()

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            try:
                self.look(time.monotonic())
            except StoreUnavailable:
                self._waiting_since = None  # an unreachable store is not a deaf worker
            except (StateError, RedisError) as error:
                self._waiting_since = None  # nor is one that refuses us for a while
                log.warning("queues could not be looked at", error=error)

    def _failed(self, error: ShoalError) -> None:
        log.error("nobody watches this process any more: leaving", error=error)
        self._leave(exits.BUG)

    def look(self, now: float) -> None:
        """One look at the queues; leaves the process when it is deaf."""
        waiting = any(self._store.redis.llen(key) for key in self._queue_keys)
        if not waiting or self.running >= self._concurrency:
            self._waiting_since = None
            return
        if self._waiting_since is None:
            self._waiting_since = now
        if now - max(self._waiting_since, self._taken_at) > DEAF_S:
            log.error("queue is not empty, slots are free, nothing was taken: leaving", after_s=DEAF_S)
            self._leave(exits.BUG)
