"""Waiting for a Redis that is away: the same call again, with growing pauses, until it answers or we go."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ResponseError

from shoal.base.errors import ShoalError, StateConflict, StoreUnavailable
from shoal.base.logging import get_logger

__all__ = ["GaveUp", "Patience", "is_passing"]

Answer = TypeVar("Answer")

log = get_logger(__name__)

_PASSING = ("maxmemory", "oom ", "read only replica", "readonly", "misconf", "noreplicas", "masterdown")


class GaveUp(ShoalError):
    """Shutting down and Redis is away: what is not stored will be replayed."""

    code = "gave-up"


def is_passing(refusal: str) -> bool:
    """Whether an error of Redis is about the server (memory full, fail-over), not about the event."""
    text = refusal.lower()
    return any(word in text for word in _PASSING)


class Patience:
    """Of one writer. ``away_since`` is monotonic seconds, or ``None`` while Redis answers.

    Args:
        buffered: how many events wait meanwhile, for the log.
    """

    def __init__(self, account: str, buffered: Callable[[], int]) -> None:
        self._account = account
        self._buffered = buffered
        self._leaving = threading.Event()
        self.away_since: float | None = None

    def leave(self) -> None:
        """Do not wait any longer; from any thread."""
        self._leaving.set()

    def call(
        self, call: Callable[[], Answer], *, after_absence: Callable[[], None], look: bool = False
    ) -> Answer:
        """Call until Redis answers.

        Args:
            after_absence: called before the call once Redis has been away, as often as that needs.
            look: call it before the first time, too.

        Raises:
            StateConflict: Redis refuses this call for good.
            GaveUp: :meth:`leave` was called.
        """
        pause = 0.1
        absent = look
        while True:
            try:
                if absent:
                    after_absence()
                answer = call()
            except (StoreUnavailable, ResponseError) as error:
                if isinstance(error, ResponseError) and not is_passing(str(error)):
                    raise StateConflict(str(error)[:300], "gateway") from error
                absent = True
                self.pause(str(error), pause)
                pause = min(1.0, pause * 2)
                continue
            if self.away_since is not None:
                log.warning("Redis is back", account=self._account, buffered=self._buffered())
                self.away_since = None
            return answer

    def pause(self, why: str, seconds: float = 0.5) -> None:
        """Wait a moment because Redis does not answer, or takes no writes.

        Raises:
            GaveUp: :meth:`leave` was called.
        """
        if self.away_since is None:
            self.away_since = time.monotonic()
            log.warning("Redis is away; events wait in the buffer", account=self._account, error=why)
        if self._leaving.wait(seconds * random.uniform(0.5, 1.0)):
            raise GaveUp("Redis is away and this process is leaving.")
