"""A bound on slow work inside a pool whose other tasks must stay quick.

Deliveries and downloads share the threads of ``back``. A download may take two minutes, so only a few
run at once in a process, and only some of them for one person: a queue in memory holds the rest, and
whichever thread becomes free takes the next. What is in that queue dies with the process; whoever waits for
it asks again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Job", "Slots"]


@dataclass(frozen=True, slots=True)
class Job:
    """Work that waits. ``name`` tells it from others, ``person`` is whom it is done for."""

    name: str
    person: str
    work: Callable[[], str]


class Slots:
    """Up to ``most`` jobs at once, up to ``per_person`` of them for one person. Thread-safe."""

    def __init__(self, most: int = 4, per_person: int = 2) -> None:
        self._most = most
        self._per_person = per_person
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._waiting: list[Job] = []
        self._running: Counter[str] = Counter()

    def run(self, job: Job) -> list[str]:
        """Put a job in the queue, and work the queue off as far as slots are free.

        Returns:
            What the jobs done by this thread answered; empty if others will do this one.
        """
        with self._lock:
            if job.name in self._known:
                return ["in hand"]
            self._known.add(job.name)
            self._waiting.append(job)
        return [self._one(taken) for taken in self._taken()]

    def _taken(self) -> Iterator[Job]:
        while (job := self._take()) is not None:
            yield job

    def _take(self) -> Job | None:
        with self._lock:
            if self._running.total() >= self._most:
                return None
            for job in self._waiting:
                if self._running[job.person] < self._per_person:
                    self._waiting.remove(job)
                    self._running[job.person] += 1
                    return job
        return None

    def _one(self, job: Job) -> str:
        try:
            return job.work()
        finally:
            with self._lock:
                self._known.discard(job.name)
                self._running -= Counter({job.person: 1})
