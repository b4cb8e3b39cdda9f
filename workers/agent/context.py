"""One object for everything that can end a turn from outside.

A turn runs on a thread that nobody can kill, so it has to look up by itself. What it looks
at is kept here: its deadline, a stop by the user (R7), the shutdown of the process (R12),
the lease of its lane (R14) and the progress of the step in hand (R24). The turn calls
:meth:`TurnContext.check` between steps and while a model streams; the keeper of the
process calls ``progressing``, ``renewed`` and ``lose`` from its own thread.

The lease clock is our own and monotonic: the lane counts as lost one second *before*
Redis would give it away, unless a renewal was reported in time. A frozen process that
wakes up therefore finds out before it starts another effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import ShoalError, StoreUnavailable

__all__ = [
    "LeaseLost",
    "TurnContext",
    "TurnInterrupted",
    "TurnOverdue",
    "TurnShutdown",
    "TurnStopped",
    "TurnStuck",
]

DEADLINE_S = 172_800.0
"""Longest life of one turn on one holder, ``agents.defaults.timeoutSeconds``."""

LEASE_S = 5.0
LEASE_MARGIN_S = 1.0
STOP_POLL_S = 0.5


class TurnInterrupted(ShoalError):
    """The turn must not go on here. What is journalled stays."""

    code = "turn-interrupted"
    kind: ClassVar[str] = "interrupted"


class TurnStopped(TurnInterrupted):
    """The user stopped it: nothing more is sent (R7)."""

    code = "turn-stopped"
    kind = "stopped"


class TurnStuck(TurnInterrupted):
    """It stood still for so long that a watch ended it (``diagnostics.stuckSessionAbortMs``)."""

    code = "turn-stuck"
    kind = "stuck"


class TurnShutdown(TurnInterrupted):
    """The process is leaving: checkpoint what is finished and yield (R12)."""

    code = "turn-shutdown"
    kind = "shutdown"
    retryable = True


class LeaseLost(TurnInterrupted):
    """The lane is somebody else's, or may be by now: touch nothing."""

    code = "lease-lost"
    kind = "lease-lost"


class TurnOverdue(TurnInterrupted):
    """The turn has used up its time."""

    code = "turn-overdue"
    kind = "overdue"


class TurnContext:
    """Deadline, stop, shutdown, lease and progress of one turn. Thread-safe.

    Args:
        clock: whose ``monotonic`` counts.
        deadline_s: how long the turn may run on this holder.
        lease_s: life of a grant after a renewal.
        shutting_down: asked often; true once the process wants to leave.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        lease_s: float = LEASE_S,
        shutting_down: Callable[[], bool] = lambda: False,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self._shutting_down = shutting_down
        self._halted: Callable[[], str] | None = None
        self._lock = threading.Lock()
        self._lost = False
        self._cancelled = ""
        self._lease_s = lease_s
        now = self.clock.monotonic()
        self._ends = now + deadline_s
        self._lease_ends: float | None = None
        self._stop_polled = float("-inf")
        self._step = "start"
        self._step_limit = 30.0
        self._stamp = now
        self._advanced = now

    # -- the keeper's side -------------------------------------------------

    def progressing(self) -> bool:
        """Whether the step in hand is within the time it asked for (R24)."""
        with self._lock:
            return self.clock.monotonic() - self._stamp <= self._step_limit

    def renewed(self, asked_at: float | None = None) -> None:
        """The lease was extended; ``asked_at`` is the monotonic time before the call that did it."""
        with self._lock:
            start = self.clock.monotonic() if asked_at is None else asked_at
            self._lease_ends = max(self._lease_ends or start, start + self._lease_s)

    def granted(self, asked_at: float, lease_s: float) -> None:
        """A grant was given: its lease lives ``lease_s`` from ``asked_at`` on, if nobody renews it."""
        with self._lock:
            self._lease_s = lease_s
            self._lease_ends = max(self._lease_ends or asked_at, asked_at + lease_s)

    def lose(self) -> None:
        """The lease is gone."""
        with self._lock:
            self._lost = True

    def cancel(self, word: str = "stopped") -> None:
        """This turn is to end: ``stopped`` by the user, or ``stuck``."""
        with self._lock:
            self._cancelled = self._cancelled or word

    @property
    def step_name(self) -> str:
        """What the turn is doing, for people: ``model openai/gpt-…``, ``tool message``."""
        with self._lock:
            return self._step

    # -- the turn's side ---------------------------------------------------

    @property
    def quiet_s(self) -> float:
        """Seconds since the turn last got anywhere: a step, some text, an answer."""
        with self._lock:
            return max(0.0, self.clock.monotonic() - self._advanced)

    def watch_stop(self, halted: Callable[[], str]) -> None:
        """Ask ``halted`` (one Redis read; ``stopped``, ``stuck`` or empty) at most twice a second."""
        self._halted = halted

    def limit(self, seconds: float) -> None:
        """The turn may run ``seconds`` from now, if its deadline is not earlier."""
        self._ends = min(self._ends, self.clock.monotonic() + seconds)

    def alive(self) -> bool:
        """Whether the turn may still be shown to people. Asks nobody, so it may be asked from any thread."""
        now = self.clock.monotonic()
        with self._lock:
            ended = self._lease_ends is not None and now > self._lease_ends - LEASE_MARGIN_S
            over = self._lost or self._cancelled or ended
        return not over and now <= self._ends and not self._shutting_down()

    def still_held(self) -> None:
        """Return if the lane is surely ours. Asks nobody, so it may be asked before every request.

        Raises:
            LeaseLost: it is somebody else's, or may be by now.
        """
        with self._lock:
            ends = self._lease_ends
            if self._lost or (ends is not None and self.clock.monotonic() > ends - LEASE_MARGIN_S):
                raise LeaseLost(f"The lease of this turn's lane ended during {self._step}.")

    def check(self) -> None:
        """Return if the turn may go on.

        Raises:
            LeaseLost, TurnStopped, TurnStuck, TurnShutdown, TurnOverdue: in this order of weight.
        """
        now = self.clock.monotonic()
        self.still_held()
        step = self.step_name
        halted = self._why_halted(now)
        if halted == "stuck":
            raise TurnStuck(f"The turn stood still for too long during {step}.")
        if halted:
            raise TurnStopped("The turn was stopped by a user.")
        if self._shutting_down():
            raise TurnShutdown("This process is shutting down; the turn goes on elsewhere.")
        if now > self._ends:
            raise TurnOverdue(
                f"The turn ran out of time during {step}.",
                fix="Raise agents.defaults.timeoutSeconds if it needs longer.",
            )

    def progress(self) -> None:
        """The turn got somewhere: a token arrived, a chunk was written, a step is in the journal."""
        with self._lock:
            self._stamp = self._advanced = self.clock.monotonic()

    def moved(self) -> None:
        """The turn got somewhere; returns if it may go on. Raises as :meth:`check`."""
        self.progress()
        self.check()

    def waiting(self) -> None:
        """The step in hand is looked after, and still waits for somebody else (R24)."""
        with self._lock:
            self._stamp = self.clock.monotonic()

    def watch(self) -> None:
        """What a call that waits for somebody else asks meanwhile (``providers.base.Watch``).

        Raises:
            TurnInterrupted: as :meth:`check`.
        """
        self.check()
        self.waiting()

    @contextmanager
    def step(self, name: str, limit_s: float) -> Iterator[None]:
        """Name what comes next and how long it may stand still; checks before it begins.

        Raises:
            TurnInterrupted: as :meth:`check`.
        """
        with self._lock:
            before = (self._step, self._step_limit)
            self._step, self._step_limit = name, limit_s
            self._stamp = self._advanced = self.clock.monotonic()
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._step, self._step_limit = before
                self._stamp = self._advanced = self.clock.monotonic()

    def _why_halted(self, now: float) -> str:
        with self._lock:
            if self._cancelled:
                return self._cancelled
            due = self._halted is not None and now - self._stop_polled >= STOP_POLL_S
            if due:
                self._stop_polled = now
        if not due or self._halted is None:
            return ""
        try:
            word = self._halted()
        except StoreUnavailable:
            return ""  # Redis is away: the lease clock decides whether we may go on
        if word:
            self.cancel(word)
        return word
