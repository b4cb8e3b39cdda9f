"""What the writer says about events that are durable now: the well-known lines of the log."""

from __future__ import annotations

import time

from shoal.base.logging import get_logger

__all__ = ["Teller"]

log = get_logger(__name__)

SLOW_S = 30.0
"""From frame to durable record; beyond it the well-known line is written."""
LINES_PER_S = 100


class Teller:
    """Lines for one account. ``budget_s``: seconds from frame to record beyond which an event was slow."""

    def __init__(self, account: str, budget_s: float) -> None:
        self._account = account
        self._slow_s = min(SLOW_S, budget_s)
        self._slow_said = 0.0
        self._second, self._told, self._untold = 0.0, 0, 0

    def received(self, ids: str) -> None:
        """One line for each event; in a flood a number each second: a line costs more than an event."""
        if time.monotonic() - self._second >= 1.0:
            self.next_second()
        if self._told < LINES_PER_S:
            self._told += 1
            log.info(f"Received: {ids}", account=self._account)
        else:
            self._untold += 1

    def next_second(self) -> None:
        """Say how many were left untold."""
        if self._untold:
            log.info(f"Received: {self._untold} more events", account=self._account)
        self._second, self._told, self._untold = time.monotonic(), 0, 0

    def slow(self, event: str, received: float, now: float, waiting: int) -> None:
        """Say it if an event took too long, at most every ten seconds."""
        took = now - received
        if received and took > self._slow_s and now - self._slow_said > 10.0:
            self._slow_said = now
            log.warning(
                f"Slow listener detected: {event or 'dispatch'} took {took:.1f} s to become durable",
                account=self._account,
                waiting=waiting,
            )
