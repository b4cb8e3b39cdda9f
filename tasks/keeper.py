"""Keeps the leases of this process alive, but only while their work moves (rule R24).

One thread renews every held token in one call. A turn whose progress stamp is older than
the step it named allows is not renewed: its lane passes to another worker. A thread lost
that way cannot be killed; after ``LEAKED_THREADS_MAX`` of them the process asks to stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from shoal.base.errors import ShoalError, StateError
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving, start_thread
from shoal.state.lanes import LEASE_MS, Lanes
from shoal.state.records import Grant

__all__ = ["RENEW_TIMEOUT_S", "Held", "InHand", "Keeper"]

RENEW_EVERY_S = LEASE_MS / 1000 / 3
RENEW_TIMEOUT_S = 2.0
"""Of the keeper's own connection: a renewal that met a silent socket is sent again while the lease still has
a second to live (``RENEW_EVERY_S`` + this < lease - margin of the holders' own clocks)."""
LEAKED_THREADS_MAX = 2
TELL_FOR_S = 60.0
"""How long it is tried to say that a lost lane's holder lives."""

log = get_logger(__name__)


class Held(Protocol):
    """What the keeper wants to know of the work under a grant."""

    @property
    def step_name(self) -> str:
        """What is being done now, for operators; no content."""
        ...

    @property
    def quiet_s(self) -> float:
        """Seconds since it last got anywhere."""
        ...

    def progressing(self) -> bool:
        """Whether the step in hand is still within the time it asked for."""
        ...

    def lose(self) -> None:
        """The lease is gone: stop at the next point where that is possible."""
        ...

    def renewed(self, asked_at: float) -> None:
        """The lease was extended; it was asked for at ``asked_at`` (monotonic seconds)."""
        ...


@dataclass
class _Entry:
    grant: Grant
    held: Held
    since: float
    leaked: bool = False


@dataclass(frozen=True, slots=True)
class InHand:
    """One lane held by this process. ``since`` is monotonic seconds, ``quiet_s`` seconds without progress."""

    lane: str
    step: str
    since: float
    quiet_s: float = 0.0


class Keeper:
    """The renewal thread of one process."""

    def __init__(self, lanes: Lanes, *, on_leak: Callable[[], None]) -> None:
        """See the class.

        Args:
            on_leak: called when this process had better leave: two threads are lost, or the renewing itself.
        """
        self._lanes = lanes
        self._on_leak = on_leak
        self._lock = threading.Lock()
        self._held: dict[str, _Entry] = {}
        self._untold: dict[str, tuple[Grant, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin renewing."""
        self._thread = start_thread("keeper", self._run, self._failed)

    def _failed(self, error: ShoalError) -> None:
        log.error("leases are not renewed any more", error=error)
        self._on_leak()

    def stop(self) -> None:
        """End the thread; leases then run out by themselves."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)  # the store is closed next

    @contextmanager
    def holding(self, grant: Grant, held: Held) -> Iterator[None]:
        """Renew the lane of ``grant`` for as long as the block runs."""
        entry = _Entry(grant, held, time.monotonic())
        with self._lock:
            self._held[grant.lane] = entry
        try:
            yield
        finally:
            with self._lock:
                if self._held.get(grant.lane) is entry:
                    del self._held[grant.lane]

    def give_back(self) -> None:
        """Before a hard end: give every lane back, so that nobody takes us for a dead holder (rule R13)."""
        with self._lock:
            entries = list(self._held.values())
        for entry in entries:
            entry.held.lose()
            if entry.leaked:
                continue  # its lease runs out, and counts: that is how a record that hangs is found
            try:
                self._lanes.yield_(entry.grant)
            except ShoalError as error:
                log.warning("lane not given back; its lease runs out", lane=entry.grant.lane, error=error)

    def survived(self, grant: Grant) -> None:
        """The lease was lost, the work has ended, and this process lives: nobody died of it (rule R13).

        While Redis is away that is said later, as soon as leases can be renewed again.
        """
        with self._lock:
            entry = self._held.get(grant.lane)
            if entry is not None and entry.grant.token == grant.token and entry.leaked:
                return  # it hung until its lease ran out: that counts
            self._untold[grant.token] = (grant, time.monotonic() + TELL_FOR_S)
        try:
            self.tell_once()
        except StateError as error:
            log.warning("cannot say yet that a lost lane's holder lives", lane=grant.lane, error=error)

    def tell_once(self) -> None:
        """Say of every lane that was lost here that its holder lives.

        Raises:
            StateError: Redis is away; what was not said is kept for a minute.
        """
        with self._lock:
            untold = list(self._untold.items())
        for token, (grant, until) in untold:
            if time.monotonic() < until:
                self._lanes.alive(grant)
            with self._lock:
                self._untold.pop(token, None)

    def in_hand(self) -> list[InHand]:
        """The lanes held now, by name; for remote control and diagnostics."""
        with self._lock:
            held = sorted(self._held.items())
        return [InHand(lane, entry.held.step_name, entry.since, entry.held.quiet_s) for lane, entry in held]

    def _run(self) -> None:
        while not self._stop.wait(RENEW_EVERY_S):
            # a process without this thread would lose every turn
            with Surviving("leases could not be renewed"):
                self._renew()

    def _renew(self) -> None:
        try:
            self.renew_once()
            self.tell_once()
        except StateError as error:
            # infrastructure: the leases may end; every holder also watches its own clock
            log.warning("leases could not be renewed", error=error)

    def renew_once(self) -> None:
        """One round: drop what stands still, renew the rest, tell the losers."""
        with self._lock:
            entries = dict(self._held)
        moving = {}
        for lane, entry in entries.items():
            if entry.leaked:
                continue
            if entry.held.progressing():
                moving[lane] = entry.grant.token
            else:
                self._give_up(lane, entry)
        if not moving:
            return
        asked_at = time.monotonic()
        lost = self._lanes.renew(moving, ttl_ms=LEASE_MS)
        for lane in moving:
            if lane in lost:
                log.warning("lease lost", lane=lane)
                entries[lane].held.lose()
            else:
                entries[lane].held.renewed(asked_at)

    def _give_up(self, lane: str, entry: _Entry) -> None:
        entry.leaked = True
        entry.held.lose()
        with self._lock:
            leaked = sum(1 for other in self._held.values() if other.leaked)
        log.error("no progress: lease is left to run out", lane=lane, leaked_threads=leaked)
        if leaked >= LEAKED_THREADS_MAX:
            self._on_leak()
