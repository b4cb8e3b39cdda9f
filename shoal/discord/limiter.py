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
    50th last, or more for a while after a 429 said that requests arrived closer together than they
    were booked (stalls on the way). Background work is *paced*: one slot every
    ``window / (limit - interactive - 1)`` with a burst of 80 ms, so that it never fills the log in
    one go and an interactive request finds a slot within some 100 ms instead of behind a second of
    announcements. What finds none is told to ask again a step after the one told before, so that of a
    hundred that wait each gets its turn. Edits of previews take five sixths of the limit at most: the rest is
    room for stalls on the way, of which many small requests have many.

    Interaction callbacks and followups are outside the global limit (Discord's rule).

Guards
    *401 latch* per bot and token: nothing is sent with a token that was refused.
    *Invalid-request breaker* per egress address (R29): Discord bans an address after 10,000
    answers of 401, 403 and 429 in 10 minutes; at 5,000 background work stops, at 8,000 all.
    *Cloudflare block* per egress: an HTML 429 stops the address for as long as it says.
"""

from __future__ import annotations

import enum
import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import StateConflict, StoreUnavailable
from shoal.base.logging import get_logger
from shoal.discord.errors import RateWait, TokenLatched
from shoal.discord.routes import Route

__all__ = [
    "DEFAULT_MAX_WAIT_S",
    "GLOBAL_LIMIT",
    "NEVER_SENT",
    "Answer",
    "Booking",
    "Limiter",
    "LimiterLike",
    "Priority",
    "Scope",
    "Scripts",
    "Unlimited",
]


GLOBAL_LIMIT = 50
"""Requests per second and bot (Discord's documented default)."""

DEFAULT_MAX_WAIT_S = 60.0
MAX_WAIT_S = 3600.0
"""No answer stops anything for longer; one that says up to a day is asked again after an hour."""

LATE_S = 0.1
"""Background work that missed its moment by so much gives it back, once, and books another."""
NEVER_SENT = -1
"""Status of an answer to a request that did not leave."""

_log = get_logger(__name__)


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


_HORIZON_MS = {
    Priority.CALLBACK: 400,
    Priority.INTERACTIVE: 400,
    Priority.EDIT: 120,
    Priority.BACKGROUND: 120,
}
"""How far ahead a slot may be booked: far for people who wait, near for what can come back later."""


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

    def __init__(
        self,
        store: Scripts,
        *,
        clock: Clock | None = None,
        virtual: bool = False,
    ) -> None:
        """See the class.

        Args:
            virtual: send the clock's time to the scripts instead of using Redis' own; for tests only.
        """
        self._reserve = store.script("limiter_reserve")
        self._settle = store.script("limiter_settle")
        self._clock = clock or SystemClock()
        self._virtual = virtual

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        """Wait until the request may be sent, and book it.

        Args:
            max_wait: longest wait in seconds, else 60. 0 means "only if at once".

        Raises:
            RateWait: the wait would be longer than ``max_wait``; nothing is booked.
            TokenLatched: the token was refused not long ago.
            StoreUnavailable: Redis does not answer (callbacks pass without a booking then).
        """
        patience = DEFAULT_MAX_WAIT_S if max_wait is None else max_wait
        request_id = secrets.token_hex(8)
        started = self._clock.monotonic()
        again = priority >= Priority.EDIT
        while True:
            asked = self._clock.monotonic()
            left = patience - (asked - started)
            kind, wait, reason = self._ask(scope, route, priority, request_id, left)
            if kind == "latched":
                raise TokenLatched(str(route), wait)
            if kind != "booked" and wait > left:
                raise RateWait(wait, reason=reason, route=str(route))
            self._clock.sleep(wait)
            if kind == "booked":
                booking = Booking(request_id, wait)
                late = self._clock.monotonic() - asked - wait
                if late < LATE_S or not again:
                    return booking
                # the process stood still: sent now, it would meet what is booked for this moment
                self.settle(scope, route, priority, booking, Answer(NEVER_SENT, {}))
                request_id, again = secrets.token_hex(8), False

    def _ask(
        self, scope: Scope, route: Route, priority: Priority, request_id: str, left: float
    ) -> tuple[str, float, str]:
        """One reserve: kind, seconds, reason."""
        horizon = max(0, min(_HORIZON_MS[priority], int(left * 1000)))
        common = self._common(scope, route, priority, request_id)
        try:
            answer = self._reserve(*common, scope.token, horizon, GLOBAL_LIMIT)
        except StoreUnavailable:
            if priority is not Priority.CALLBACK:
                raise
            # three seconds are all there are, and callbacks have no limit worth losing them for
            _log.warning("the rate limiter cannot be asked; an interaction is answered without it")
            return "booked", 0.0, ""
        kind, *rest = (part.decode() if isinstance(part, bytes) else str(part) for part in answer)
        if kind not in ("booked", "wait", "latched"):
            raise StateConflict(" ".join(rest), "limiter_reserve")
        return kind, int(rest[0]) / 1000, rest[1] if len(rest) > 1 else ""

    def settle(
        self, scope: Scope, route: Route, priority: Priority, booking: Booking, answer: Answer
    ) -> None:
        """Learn from an answer and give the booking back. Never raises for a missing Redis."""
        headers = answer.headers
        arguments = (
            *self._common(scope, route, priority, booking.request_id),
            scope.token if answer.authorized else "",
            answer.status,
            _bucket_name(headers.get("x-ratelimit-bucket", "")),
            _whole(headers.get("x-ratelimit-limit")),
            _whole(headers.get("x-ratelimit-remaining")),
            _milliseconds(headers.get("x-ratelimit-reset-after")),
            _milliseconds(str(answer.retry_after)),
            answer.scope,
            1 if answer.cloudflare else 0,
        )
        try:
            result = self._settle(*arguments)
        except StoreUnavailable as error:
            # the booking expires by itself; what was to be learned comes with the next answer
            _log.warning("an answer could not be booked with the rate limiter", error=str(error))
            return
        if result[0] != b"ok":
            raise StateConflict(str(result[1:]), "limiter_settle")

    def _common(
        self, scope: Scope, route: Route, priority: Priority, request_id: str
    ) -> tuple[str | int, ...]:
        now = int(self._clock.now() * 1000) if self._virtual else ""
        exempt = 1 if route.exempt else 0
        return now, scope.bot, scope.egress, route.key, route.major, int(priority), exempt, request_id


def _whole(value: str | None, most: float = 1_000_000) -> int | str:
    """A header's number, rounded up; empty where it is missing, no number, or above ``most``."""
    number = _number(value, most)
    return "" if number is None else math.ceil(number)


def _milliseconds(value: str | None) -> int | str:
    """A header's seconds in ms, an hour at most; empty where it is missing, no number, or above a day."""
    number = _number(value, 86_400)
    return "" if number is None else math.ceil(min(number, MAX_WAIT_S) * 1000)


def _number(value: str | None, most: float) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number <= most else None


def _bucket_name(value: str) -> str:
    """Discord's bucket hash as part of a key."""
    if not value:
        return ""
    if re.fullmatch(r"[a-z0-9_-]{1,64}", value):
        return value
    return hashlib.blake2b(value.encode(), digest_size=16).hexdigest()


class Unlimited:
    """No limiter: for ``doctor`` and set-up, which send a handful of requests without Redis."""

    def acquire(self, *_request: object, max_wait: float | None = None) -> Booking:  # noqa: ARG002
        """Always at once."""
        return Booking(secrets.token_hex(8), 0.0)

    def settle(self, *_request: object) -> None:
        """Nothing to learn."""
