"""A limiter on a virtual clock, asked step by step."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.base.clock import VirtualClock
from shoal.discord.errors import RateWait
from shoal.discord.limiter import (
    Answer,
    Booking,
    Limiter,
    Priority,
    Scope,
)
from shoal.discord.routes import Route
from shoal.state.store import Store

SCOPE = Scope(bot="1", egress="e1", token="t1")


NOW, B, C, E = Priority.INTERACTIVE, Priority.BACKGROUND, Priority.CALLBACK, Priority.EDIT


def send(channel: int | str) -> Route:
    return Route("POST", "/channels/{channel_id}/messages", channel_id=channel)


def edit(channel: int | str) -> Route:
    return Route("PATCH", "/channels/{channel_id}/messages/{message_id}", channel_id=channel, message_id=1)


def rate(bucket: str = "abc", limit: int = 5, left: int = 4, after: float = 5.0) -> dict[str, str]:
    return {
        "x-ratelimit-bucket": bucket,
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(left),
        "x-ratelimit-reset-after": str(after),
    }


class Bench:
    """A limiter whose clock stands still until told, and helpers around it."""

    def __init__(self, store: Store) -> None:
        self.clock = VirtualClock()
        self.store = store
        self.limiter = Limiter(store, clock=self.clock, virtual=True)

    def now(self, route: Route, priority: Priority = NOW, scope: Scope = SCOPE) -> Booking | None:
        """A booking if it can be had at once."""
        try:
            return self.limiter.acquire(scope, route, priority, max_wait=0)
        except RateWait:
            return None

    def wait(self, route: Route, priority: Priority = NOW, scope: Scope = SCOPE) -> RateWait:
        """The refusal of a request that must wait."""
        with pytest.raises(RateWait) as caught:
            self.limiter.acquire(scope, route, priority, max_wait=0)
        return caught.value

    def settle(
        self,
        route: Route,
        booking: Booking,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.limiter.settle(SCOPE, route, NOW, booking, Answer(status, headers or {}, **more))

    def learn(self, route: Route, **headers: Any) -> None:
        """One request, answered with a full bucket's headers."""
        booking = self.now(route)
        assert booking
        self.settle(route, booking, headers=rate(**headers))

    def take(self, route: Route, priority: Priority = NOW) -> int:
        """How many can be had at once."""
        count = 0
        while self.now(route, priority):
            count += 1
        return count
