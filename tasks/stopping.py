"""Stopping is ours (rule R12).

Celery cannot stop a threads pool: a warm or soft shutdown waits for every running task.
So a shutdown, whoever wants it, is one call of :meth:`Stopping.request`. It sets a flag that every turn
and drain loop looks at between steps, and makes Celery stop consuming; they checkpoint and give their lane
back. What has not by ``GRACE_S`` has its lane given back by the process, which then leaves with its code.

The children of a prefork pool get no signal (Celery takes it from them): they follow a :class:`SharedFlag`
that the parent raises. Else a long turn in the quarantine would die with its parent, which buries it.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable

from shoal.base import exits
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.base.threads import start_thread

__all__ = ["CHILD_GRACE_S", "GRACE_S", "SharedFlag", "Stopping"]

GRACE_S = 20.0
"""Seconds between the wish to stop and the hard end of the process; supervisors wait 30."""
CHILD_GRACE_S = 15.0
"""The same for a child, which must be gone before its parent."""
LAST_WORDS_S = 2.0
"""How long the hard end waits for what is registered with :meth:`Stopping.at_end`."""
FOLLOW_EVERY_S = 0.2

log = get_logger(__name__)


class SharedFlag:
    """One bit that a process shares with the children it forks later; once raised it stays."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)  # anonymous and shared

    def raise_(self) -> None:
        """Raise it, for everybody."""
        self._page[0] = 1

    @property
    def raised(self) -> bool:
        """Whether anybody raised it."""
        return self._page[0] == 1


class Stopping:
    """One flag for the whole process, and the timer that ends the process for good.

    Args:
        leave: ends the process with a code, at once.
    """

    def __init__(self, leave: Callable[[int], None] = os._exit) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()  # SIGTERM may come in the middle of a request
        self._leave = leave
        self._on_request: list[Callable[[int], None]] = []
        self._at_end: list[Callable[[], None]] = []
        self.code = 0
        """What the process leaves with; see :mod:`shoal.base.exits`."""

    @property
    def requested(self) -> bool:
        """Whether this process is on its way out."""
        return self._event.is_set()

    def on_request(self, tell: Callable[[int], None]) -> None:
        """Have ``tell`` called with the exit code as soon as a stop is requested."""
        self._on_request.append(tell)

    def at_end(self, do: Callable[[], None]) -> None:
        """Have ``do`` called before a hard end; it gets two seconds."""
        self._at_end.append(do)

    def request(self, code: int = 0, grace_s: float | None = None) -> None:
        """Ask everything to stop; after ``grace_s`` (20 s) the process leaves whatever still runs.

        The first code that is not 0 stays: who restarts us must learn why.
        """
        with self._lock:
            again = self._event.is_set()
            self.code = self.code or code
            self._event.set()
        for tell in self._on_request:
            tell(self.code)
        if again:
            return
        grace_s = GRACE_S if grace_s is None else grace_s
        log.info("stopping: lanes are given back, the process leaves soon", grace_s=grace_s, code=code)
        timer = threading.Timer(grace_s, self._end)
        timer.daemon = True
        timer.start()

    def failed(self, error: ShoalError) -> None:
        """A thread the process cannot do without has ended: leave, so that a fresh one has all of them."""
        log.error("a thread of this process ended; leaving", error=error)
        self.request(exits.BUG)

    def follow(self, flag: SharedFlag, grace_s: float = CHILD_GRACE_S) -> None:
        """Request a stop once ``flag`` is raised; watches in a thread of its own."""

        def watch() -> None:
            while not self._event.wait(FOLLOW_EVERY_S):
                if flag.raised:
                    self.request(grace_s=grace_s)

        start_thread("follow", watch, self.failed)

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; true as soon as a stop is requested."""
        return self._event.wait(seconds)

    def _end(self) -> None:
        log.warning("still busy after the grace period: lanes are given back, leaving", code=self.code)
        # in threads of their own: whatever they wait for, the process leaves
        last = [threading.Thread(target=do, name="last words", daemon=True) for do in self._at_end]
        for thread in last:
            thread.start()
        until = time.monotonic() + LAST_WORDS_S
        for thread in last:
            thread.join(max(0.0, until - time.monotonic()))
        self._leave(self.code)
