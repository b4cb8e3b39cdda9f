"""One rate limiter for the whole fleet, kept in Redis (spec: fleet 3, rules R4, R29).

Theory
    Discord limits per *bucket* (an opaque hash it names in its answers, together with the
    top-level resource) and globally (50 requests per second and bot). Nothing is hard-coded:
    a route's bucket is learned from the first answer; until then one request at a time probes
    it. Every request *reserves* before it is sent and *settles* with what the answer said, both
    in one Lua call on Redis' clock, so all processes see one truth.

    ``reserve`` either books (and says how long to wait for the booked moment) or says when to
    ask again. A booking is remembered under its request id: a reserve that arrives twice books
    once. Bookings that never settle (killed worker) expire 15 s after the bucket's last reserve.

    The global limit is a sliding log of the last 64 grants: the next slot is 1.04 s after the
    50th last. Background work is *paced* once the log is 80 % full, so that an interactive
    request meets only the sliding log and not a second booked out by announcements.

    Interaction callbacks and followups are outside the global limit (Discord's rule).

Guards
    *401 latch* per bot and token: nothing is sent with a token that was refused.
    *Invalid-request breaker* per egress address (R29): Discord bans an address after 10,000
    answers of 401, 403 and 429 in 10 minutes; at 5,000 background work stops, at 8,000 all.
    *Cloudflare block* per egress: an HTML 429 stops the address for as long as it says.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shoal.base.clock import Clock, SystemClock
from shoal.discord.routes import Route

__all__ = [
    "LIMITER_FAMILIES",
    "Answer",
    "Booking",
    "Limiter",
    "LimiterLike",
    "Priority",
    "Scope",
    "Scripts",
    "Unlimited",
]


class Priority(enum.IntEnum):
    """Which requests go first. Background (EDIT, BACKGROUND) is paced, the others are not."""

    CALLBACK = 0
    """Interaction callback and followup: a person waits, 3 seconds."""
    INTERACTIVE = 1
    """Replies, approvals: a person waits."""
    EDIT = 2
    """Edits of streamed text: only the newest counts."""
    BACKGROUND = 3
    """Announcements, back-fill, housekeeping."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose limits a request meets.

    Attributes:
        bot: bot user id; limits are kept per bot, whatever its account is called (R29).
        egress: digest of the address the traffic leaves from: proxy or this host.
        token: fingerprint of the token (never the token), for the 401 latch.
    """

    bot: str
    egress: str
    token: str


@dataclass(frozen=True, slots=True)
class Booking:
    """A reserved request. Give it back to :meth:`Limiter.settle`."""

    request_id: str
    bucket: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the answer said about limits.

    Attributes:
        status: HTTP status; 0 = sent, no answer; -1 = never sent (the booking is given back).
        headers: with lower-case names.
        retry_after: seconds of a 429, from the body if it said so.
        scope: ``user``, ``shared``, ``global`` of a 429, else empty.
        cloudflare: HTML from the network in front of Discord.
        authorized: the request carried the bot token (a 401 then latches it).
    """

    status: int
    headers: Mapping[str, str]
    retry_after: float = 0.0
    scope: str = ""
    cloudflare: bool = False
    authorized: bool = True


class Scripts(Protocol):
    """What the limiter needs of a store: ``shoal.state.Store`` has it."""

    def script(self, name: str) -> Any:
        """A callable that runs ``lua/<name>.lua`` with its arguments after the key prefix."""
        ...


class LimiterLike(Protocol):
    """What a transport asks of a limiter."""

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        """Wait for the right to send; see :meth:`Limiter.acquire`."""
        ...

    def settle(
        self, scope: Scope, route: Route, priority: Priority, booking: Booking, answer: Answer
    ) -> None:
        """Book what came back; see :meth:`Limiter.settle`."""
        ...


class Limiter:
    """The fleet's limiter. One per process, shared by all transports; thread-safe."""

    def __init__(self, store: Scripts, *, clock: Clock | None = None, virtual: bool = False) -> None:
        """``virtual`` sends the clock's time to the scripts instead of Redis' own; for tests only."""
        self._reserve = store.script("limiter_reserve")
        self._settle = store.script("limiter_settle")
        self._clock = clock or SystemClock()
        self._virtual = virtual

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        """Wait until the request may be sent, and book it.

        Args:
            max_wait: longest wait in seconds, else as long as it takes. 0 means "only if at once".

        Raises:
            RateWait: the wait would be longer than ``max_wait``; nothing is booked.
            TokenLatched: the token was refused not long ago.
            StoreUnavailable: Redis does not answer (callbacks pass without a booking then).
        """
        raise NotImplementedError

    def settle(
        self, scope: Scope, route: Route, priority: Priority, booking: Booking, answer: Answer
    ) -> None:
        """Learn from an answer and give the booking back. Never raises for a missing Redis."""
        raise NotImplementedError


class Unlimited:
    """No limiter: for ``doctor`` and set-up, which send a handful of requests without Redis."""

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        """Always at once."""
        return Booking(secrets.token_hex(8), "", 0.0)

    def settle(
        self, scope: Scope, route: Route, priority: Priority, booking: Booking, answer: Answer
    ) -> None:
        """Nothing to learn."""


LIMITER_FAMILIES: tuple[tuple[str, str, str, str], ...] = ()
