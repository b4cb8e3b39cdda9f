"""Rate limits as Discord keeps them: a window per (bucket, top-level resource, bot) and one per bot over all.

The sizes are widely observed values, for the simulator only; a client must read them from the headers. The
bucket's name does not hold the top-level resource. Reactions have a tight limit of their own; renaming a
channel is a sub-limit that answers 429 while the headers still show room.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass

from shoal.simulator.model import Json
from shoal.simulator.settings import Settings

__all__ = ["Limited", "RateLimits", "limited_answer"]

SIZES: dict[str, tuple[int, float]] = {
    "POST /channels/{channel_id}/messages": (5, 5.0),
    "PATCH /channels/{channel_id}/messages/{message_id}": (5, 5.0),
    "DELETE /channels/{channel_id}/messages/{message_id}": (5, 1.0),
    "GET /channels/{channel_id}/messages": (5, 5.0),
    "POST /channels/{channel_id}/typing": (5, 5.0),
    "POST /webhooks/{webhook_id}/{webhook_token}": (5, 2.0),
    "PUT /applications/{application_id}/commands": (2, 60.0),
    "PUT /applications/{application_id}/guilds/{guild_id}/commands": (2, 60.0),
    "POST /users/@me/channels": (10, 10.0),
    "GET /gateway/bot": (2, 5.0),
}
DEFAULT = (10, 5.0)
REACTIONS = (1, 0.25)
RENAMES = (2, 600.0)
INVALID_WINDOW_S = 600.0
UNLIMITED = frozenset({"POST /interactions/{interaction_id}/{interaction_token}/callback", "GET /gateway"})
OUTSIDE_GLOBAL = ("/interactions/", "/webhooks/{webhook_id}/{webhook_token}")


@dataclass(slots=True)
class Limited:
    """What the limiter says: headers, and a 429 if ``retry_after`` is set."""

    headers: dict[str, str]
    retry_after: float | None = None
    scope: str = "user"


@dataclass(slots=True)
class _Window:
    ends: float = 0.0
    used: int = 0


def limited_answer(retry_after: float, scope: str) -> tuple[Json, dict[str, str]]:
    """(body, headers) of a 429."""
    everywhere = scope == "global"
    body: Json = {
        "message": "You are being rate limited.",
        "retry_after": round(retry_after, 3),
        "global": everywhere,
    }
    headers = {"Retry-After": str(max(1, int(retry_after + 0.999))), "X-RateLimit-Scope": scope}
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    return body, headers


class RateLimits:
    """All windows of the simulator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._renames: dict[str, _Window] = {}
        self._seconds: dict[str, deque[float]] = {}
        self._invalid: dict[str, deque[float]] = {}

    def take(self, route: str, major: str, who: str, *, renames: bool = False) -> Limited:
        """Count one request of ``who`` on ``route`` (method and template) about ``major``."""
        if not self._settings.rate_limits:
            return Limited({})
        now = time.monotonic()
        if not any(part in route for part in OUTSIDE_GLOBAL):
            wait = self._global(who, now)
            if wait is not None:
                return Limited({}, wait, "global")
        if route in UNLIMITED:
            return Limited({})
        reaction = "/reactions/" in route and not route.startswith("GET")
        size, window_s = REACTIONS if reaction else SIZES.get(route, DEFAULT)
        name = "reactions" if reaction else route
        window = self._windows.setdefault((name, major, who), _Window())
        span = window_s / self._settings.rate_scale
        if now >= window.ends:
            window.ends, window.used = now + span, 0
        if window.used >= size:
            left = window.ends - now
            return Limited(self._headers(name, size, 0, left), left, "user")
        if renames:
            wait = self._rename(major, now)
            if wait is not None:
                return Limited(
                    self._headers(name, size, size - window.used, window.ends - now), wait, "shared"
                )
        window.used += 1
        return Limited(self._headers(name, size, size - window.used, window.ends - now))

    def count_invalid(self, source: str, status: int, scope: str) -> None:
        """Remember an answer that counts as an invalid request of this address."""
        if status in (401, 403, 429) and scope != "shared":
            self._invalid.setdefault(source, deque()).append(time.monotonic())

    def banned(self, source: str) -> float | None:
        """Seconds for which the edge in front of Discord refuses this address; None when it does not."""
        stamps = self._invalid.get(source, deque())
        now = time.monotonic()
        while stamps and stamps[0] <= now - INVALID_WINDOW_S:
            stamps.popleft()
        if len(stamps) < self._settings.invalid_limit:
            return None
        return stamps[0] + INVALID_WINDOW_S - now

    def _global(self, who: str, now: float) -> float | None:
        stamps = self._seconds.setdefault(who, deque())
        while stamps and stamps[0] <= now - 1:
            stamps.popleft()
        if len(stamps) >= self._settings.global_limit:
            return stamps[0] + 1 - now
        stamps.append(now)
        return None

    def _rename(self, channel_id: str, now: float) -> float | None:
        size, window_s = RENAMES
        window = self._renames.setdefault(channel_id, _Window())
        if now >= window.ends:
            window.ends, window.used = now + window_s / self._settings.rate_scale, 0
        if window.used >= size:
            return window.ends - now
        window.used += 1
        return None

    @staticmethod
    def _headers(name: str, size: int, left: int, seconds: float) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(size),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": f"{time.time() + seconds:.3f}",
            "X-RateLimit-Reset-After": f"{seconds:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2b(name.encode(), digest_size=16).hexdigest(),
        }
