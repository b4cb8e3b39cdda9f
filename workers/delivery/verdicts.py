"""What a failed call to Discord means for a lane: an error goes in, a verdict comes out.

* not now (rate limits)                  yield, no try
* it may pass (network, 5xx, token)      infrastructure, no try, bounded by the age of what is sent
* Discord refuses (4xx)                  :class:`Rejected`: nothing is gained by another request
"""

from __future__ import annotations

from shoal.base.errors import ShoalError
from shoal.discord.codes import NO_HISTORY, UNKNOWN_MESSAGE
from shoal.discord.errors import (
    BadRequest,
    CloudflareBlocked,
    DiscordError,
    RateLimited,
    RateWait,
    Unauthorized,
)
from shoal.state.records import Failure
from shoal.state.steps import Fail, Yield

__all__ = [
    "BLOB_GONE",
    "LONGEST_PAUSE_MS",
    "NotYet",
    "Rejected",
    "is_about_discord",
    "is_unknown",
    "later",
    "rate_yield",
    "reference_refused",
    "verdict_on",
]

BLOB_GONE = "blob-gone"
"""Code of a :class:`Rejected`: the bytes of a file waited too long."""
TOKEN_PAUSE_MS = 30_000
LONGEST_PAUSE_MS = 600_000
"""A lane asks again at least so often, whatever an answer said; asking the limiter costs no request."""


class Rejected(Exception):
    """Discord will never take this; or, with a code that :func:`is_unknown`, nobody knows whether it has."""

    def __init__(self, code: str, why: str) -> None:
        self.code = code
        self.why = why
        super().__init__(code)


class NotYet(Exception):
    """It can be told or done later: the lane is given back for ``wait_ms``. Counts as no try."""

    def __init__(self, wait_ms: int, why: str) -> None:
        self.wait_ms = wait_ms
        self.why = why
        super().__init__(why)


def verdict_on(error: ShoalError) -> Yield | Fail | Rejected | None:
    """What an error means for the lane; ``None``: it is not about Discord."""
    if isinstance(error, RateWait | RateLimited):
        return rate_yield(error)
    if isinstance(error, Unauthorized):
        wait_ms = max(TOKEN_PAUSE_MS, _pause_ms(error.retry_after or 0.0))
        return Fail(Failure.INFRASTRUCTURE, error.code, str(error), delay_ms=wait_ms)
    if isinstance(error, CloudflareBlocked):
        wait_ms = _pause_ms(error.retry_after or 60.0)
        return Fail(Failure.INFRASTRUCTURE, error.code, str(error), delay_ms=wait_ms)
    if not is_about_discord(error):
        return None
    if error.retryable:
        retry_after = getattr(error, "retry_after", None)
        delay = _pause_ms(retry_after) if retry_after else None
        return Fail(Failure.INFRASTRUCTURE, error.code, str(error), delay_ms=delay)
    return Rejected(_rejection_code(error), str(error))


def is_unknown(code: str) -> bool:
    """Whether a record that died with this code may have been sent nevertheless (promise 4)."""
    return code.endswith("-unknown")


def rate_yield(error: RateWait | RateLimited) -> Yield:
    """Give the lane back until the rate limit has room again."""
    wait = error.retry_after if error.retry_after is not None else 1.0
    return Yield(min(max(50, int(wait * 1000) + 1), LONGEST_PAUSE_MS), "rate limit")


def later(error: ShoalError, *, age_ms: int, patience_ms: int) -> Yield | Fail | None:
    """When work that nobody waits for is tried again; ``None``: it is given up, which the caller tells.

    Args:
        age_ms: of the work; past ``patience_ms`` what may pass is not waited for any more.

    Raises:
        ShoalError: ``error`` itself, where it is not about Discord.
    """
    if isinstance(error, RateWait | RateLimited):
        return rate_yield(error)
    if not is_about_discord(error):
        raise error
    if error.retryable and age_ms <= patience_ms:
        return Fail(Failure.INFRASTRUCTURE, error.code, str(error))
    return None


def is_about_discord(error: ShoalError) -> bool:
    """Discord said it, or the way there; everything else is a trouble of our own and passes on."""
    return isinstance(error, DiscordError) or error.code in ("transport", "proxy")


def reference_refused(error: DiscordError) -> bool:
    """The message answered to is gone or cannot be read: it is better sent without the reference."""
    if error.json_code in (UNKNOWN_MESSAGE, NO_HISTORY):
        return True
    return isinstance(error, BadRequest) and any("message_reference" in path for path, _, _ in error.fields)


def _pause_ms(seconds: float) -> int:
    return min(int(seconds * 1000), LONGEST_PAUSE_MS)


def _rejection_code(error: ShoalError) -> str:
    number = getattr(error, "json_code", 0)
    return f"{error.code}-{number}" if number else error.code
