"""Whether a bot token is set aside because Discord refused it (the limiter's 401 latch)."""

from __future__ import annotations

from typing import Any, Protocol

from shoal.discord.limiter import Scope

__all__ = ["latched_s"]


class StoreLike(Protocol):
    """What is needed of ``shoal.state.Store``."""

    @property
    def redis(self) -> Any: ...
    @property
    def keys(self) -> Any: ...
    def now_ms(self) -> int:
        """Redis' clock."""
        ...


def latched_s(store: StoreLike, scope: Scope) -> float:
    """Seconds for which nothing is sent with this token any more; 0 if it is in use."""
    key = f"{store.keys.prefix}rl:{scope.bot}:state"
    token, until = store.redis.hmget(key, "latch", "latched")
    if token is None or until is None or token.decode() != scope.token:
        return 0.0
    return max(0.0, (float(until) - store.now_ms()) / 1000)
