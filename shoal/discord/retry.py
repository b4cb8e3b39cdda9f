"""When one HTTP request may be tried again (spec: outbound 1.4).

The unit is one request, never a flow of several. What matters is not only whether a failure
may pass, but whether the first try may have *worked*:

=====================  ============================================  =======================
safety class           examples                                      tried again after
=====================  ============================================  =======================
``IDEMPOTENT``         reads, edits, deletes, reactions, DM channel  anything that may pass
``NONCE_CREATE``       message create with ``enforce_nonce``         the same: the nonce protects
``CREATE``             forum post, webhook execute, followup         only failures from before the
                                                                     request left, and 429
=====================  ============================================  =======================
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass

from shoal.base.errors import ShoalError, TransportError
from shoal.discord.errors import DiscordError, RateLimited

__all__ = ["NONCE_WINDOW_S", "NO_RETRY", "RetryPolicy", "Safety", "Tries", "may_retry"]

NONCE_WINDOW_S = 120.0
"""How long a nonce is relied on where nothing says that a message was made. Discord says "a few minutes"."""
RATE_ROUNDS = 5
"""How often one request may be told to wait."""


class Safety(enum.Enum):
    """What happens when the same request arrives twice."""

    IDEMPOTENT = "idempotent"
    """Nothing new."""
    NONCE_CREATE = "nonce-create"
    """The message made by the first one is returned (inside Discord's nonce window)."""
    CREATE = "create"
    """A second object appears."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Numbers of ``channels.discord.retry``.

    Attributes:
        attempts: tries in all, the first included.
        min_delay_ms: wait before the second try; doubles from then on.
        max_delay_ms: longest wait; a longer one demanded by the server ends the tries.
        jitter: fraction by which a wait varies up or down; server waits only up.
    """

    attempts: int = 3
    min_delay_ms: int = 500
    max_delay_ms: int = 30_000
    jitter: float = 0.1

    def delay_s(self, attempt: int, *, rng: Callable[[], float] = random.random) -> float:
        """Seconds to wait after try number ``attempt`` (1 = first) failed."""
        wait = float(min(self.max_delay_ms, self.min_delay_ms * 2.0 ** (attempt - 1)))
        spread = 1 + self.jitter * (2 * rng() - 1)
        return min(self.max_delay_ms, wait * spread) / 1000

    def server_delay_s(
        self, retry_after_s: float, *, rng: Callable[[], float] = random.random
    ) -> float | None:
        """Seconds to wait for a server that said ``retry_after_s``; None if that is longer than allowed."""
        if retry_after_s * 1000 > self.max_delay_ms:
            return None
        return retry_after_s + min(retry_after_s * self.jitter, 1.0) * rng()


NO_RETRY = RetryPolicy(attempts=1)
"""One try; the caller has its own way to come back."""


def may_retry(error: ShoalError, safety: Safety) -> bool:
    """Whether the request behind ``error`` may be sent again under ``safety``."""
    if not error.retryable:
        return False
    return safety is not Safety.CREATE or not error.ambiguous


@dataclass(slots=True)
class Tries:
    """What happened so far to one request.

    Attributes:
        attempts: tries that failed.
        rate_rounds: answers that only asked to wait.
        doubtful_since: monotonic seconds since when it may have worked, or none.
    """

    attempts: int = 0
    rate_rounds: int = 0
    doubtful_since: float | None = None

    def wait_s(
        self, error: DiscordError | TransportError, safety: Safety, policy: RetryPolicy
    ) -> float | None:
        """Seconds until the next try after ``error``, or None if there is none."""
        if policy.attempts <= 1:
            return None
        if isinstance(error, RateLimited):  # not a try, but not for ever either
            self.rate_rounds += 1
            late = self.rate_rounds > RATE_ROUNDS
            return None if late else policy.server_delay_s(error.retry_after or 1.0)
        self.attempts += 1
        # what this try left in doubt decides, not what an earlier one did: that was decided then
        if self.attempts >= policy.attempts or not may_retry(error, safety):
            return None
        if isinstance(error, DiscordError) and error.retry_after is not None:
            return policy.server_delay_s(error.retry_after)
        return policy.delay_s(self.attempts)
