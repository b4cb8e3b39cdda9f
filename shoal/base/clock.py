"""Time as an argument, so that waits and deadlines can be tested without waiting."""

from __future__ import annotations

import threading
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock", "VirtualClock"]


class Clock(Protocol):
    """What domain code may ask about time. Seconds are floats."""

    def now(self) -> float:
        """Wall-clock seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; zero and negative values return at once."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Wall-clock seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; zero and negative values return at once."""
        if seconds > 0:
            time.sleep(seconds)


class VirtualClock:
    """A clock that moves only when told to, or when somebody sleeps on it."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._elapsed = 0.0

    def now(self) -> float:
        """Wall-clock seconds: the start plus all advances."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds advanced since creation."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Advance by ``seconds`` instead of waiting."""
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Move time forward by ``seconds`` (≥ 0)."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        with self._lock:
            self._elapsed += seconds
