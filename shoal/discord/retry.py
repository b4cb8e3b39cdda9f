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

from shoal.base.errors import ShoalError

__all__ = ["NO_RETRY", "RetryPolicy", "Safety", "may_retry"]


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
