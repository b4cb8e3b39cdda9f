"""Finding out what a held message waits for: one request, one answer kept for a while, one wake-up.

Each function may run twice and may be lost: the message it is for is decided at its deadline, closed
on access. What cannot be found out is kept as "no such thing", for a short time, so that nobody waits
longer than the answer takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import ShoalError, TransportError
from shoal.base.logging import get_logger
from shoal.discord.errors import DiscordError, NotFound, RateWait
from shoal.discord.limiter import Priority
from shoal.discord.pluralkit import PluralKit, PluralKitError, Proxied
from shoal.discord.rest import Rest
from shoal.discord.routes import Route
from shoal.state.circuits import Circuit
from shoal.state.lookups import Asked
from shoal.state.store import Store

__all__ = ["Enrichment", "LookupFailedError"]

MEMBER_S = 60.0
CHANNEL_S = 600.0
MESSAGE_S = 600.0
PLURALKIT_S = 1_800.0
PKUSER_S = 30 * 86_400.0
FAILED_S = 30.0
"""How long "could not be found out" counts."""
SLOW_S = 1.0
"""An answer of PluralKit that took longer counts as a failure of its circuit: every message waits so long."""
REQUEST_S = 2.0
"""Longest silence of a server: an answer is of no use after the hold's deadline."""

log = get_logger(__name__)


class LookupFailedError(ShoalError):
    """No answer this time. ``delay_s``: when to ask again."""

    code = "lookup-failed"
    retryable = True

    def __init__(self, what: str, cause: str, delay_s: float) -> None:
        super().__init__(f"{what} could not be looked up ({cause}).")
        self.delay_s = delay_s


@dataclass(frozen=True, slots=True)
class Enrichment:
    """The look-ups of one account. Each raises :class:`LookupFailedError` where another try may help.

    Attributes:
        rest: calls of the account, with no patience for rate limits.
        pluralkit: look-ups there; ``None`` where it is switched off.
        last: this is the last try: what fails now is answered with "no such thing".
    """

    store: Store
    account: str
    rest: Rest
    pluralkit: PluralKit | None = None
    last: bool = False
    clock: Clock = field(default_factory=SystemClock)

    def member(self, guild_id: str, user_id: str) -> str:
        """A guild member with its roles, for a minute; returns a line for Flower."""
        route = Route("GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild_id, user_id=user_id)
        return self._find(Asked(self.account, "member", f"{guild_id}.{user_id}"), MEMBER_S, self._get(route))

    def thread_member(self, thread_id: str, user_id: str) -> str:
        """Whether a user is in a thread, for a minute; returns a line for Flower."""
        template = "/channels/{channel_id}/thread-members/{user_id}"
        route = Route("GET", template, channel_id=thread_id, user_id=user_id)
        return self._find(
            Asked(self.account, "inthread", f"{thread_id}.{user_id}"), MEMBER_S, self._get(route)
        )

    def channel(self, channel_id: str) -> str:
        """A channel or thread nobody told us of; returns a line for Flower."""
        route = Route("GET", "/channels/{channel_id}", channel_id=channel_id)
        return self._find(Asked(self.account, "channel", channel_id), CHANNEL_S, self._get(route))

    def message(self, channel_id: str, message_id: str) -> str:
        """A message as REST has it; returns a line for Flower."""
        route = Route(
            "GET",
            "/channels/{channel_id}/messages/{message_id}",
            channel_id=channel_id,
            message_id=message_id,
        )
        return self._find(Asked(self.account, "message", message_id), MESSAGE_S, self._get(route))

    def speaker(self, message_id: str) -> str:
        """Who speaks in a message, by PluralKit; returns a line for Flower.

        A proxied message also tells that its account uses PluralKit, and what became of its original. Where
        PluralKit was slow or away several times in a row it is not asked for a while: nobody waits for that.
        """
        kit = self.pluralkit
        if kit is None:
            return "pluralkit · switched off"
        asked = Asked(self.account, "pluralkit", message_id)
        circuit = Circuit(self.store, self.account, "pluralkit")
        paused = circuit.reason()
        if paused and self.store.lookups.get(asked) is None:
            self.store.lookups.put(asked, None, ttl_s=FAILED_S)
            return f"pluralkit · not asked: {paused}"
        return self._find(asked, PLURALKIT_S, lambda: self._proxied(kit, message_id, circuit))

    def _proxied(self, kit: PluralKit, message_id: str, circuit: Circuit) -> Proxied | None:
        begun = self.clock.monotonic()
        try:
            found = kit.message(message_id, timeout=REQUEST_S)
        except TransportError as error:
            circuit.failed(error.code)
            raise
        except PluralKitError as error:
            if error.status >= 500:
                circuit.failed(f"status {error.status}")
            raise
        if self.clock.monotonic() - begun > SLOW_S:
            circuit.failed("slow")
        else:
            circuit.succeeded()
        if found is None:
            return None
        put = self.store.lookups.put
        if found.sender_id:
            put(Asked(self.account, "pkuser", found.sender_id), 1, ttl_s=PKUSER_S)
        if found.original_id != found.message_id:
            replaced = Asked(self.account, "replaced", found.original_id)
            put(replaced, found.message_id, ttl_s=PLURALKIT_S)
        return found

    def _get(self, route: Route) -> Callable[[], Any]:
        def get() -> Any:
            answer = self.rest.call(route, priority=Priority.INTERACTIVE, timeout=REQUEST_S).data
            return answer if isinstance(answer, dict) else None

        return get

    def _find(self, asked: Asked, ttl_s: float, find: Callable[[], Any]) -> str:
        if self.store.lookups.get(asked) is not None:
            return f"{asked.kind} · known"
        try:
            found = find()
        except NotFound:
            found = None
        except (DiscordError, PluralKitError, TransportError, RateWait) as error:
            return self._failed(asked, error)
        self.store.lookups.put(asked, found, ttl_s=ttl_s)
        return f"{asked.kind} · {'found' if found is not None else 'none'}"

    def _failed(self, asked: Asked, error: ShoalError) -> str:
        log.warning("look-up failed", account=self.account, kind=asked.kind, name=asked.name, error=error)
        if error.retryable and not self.last:
            after = getattr(error, "retry_after", None)
            raise LookupFailedError(asked.kind, error.code, max(0.2, float(after or 0.5))) from None
        self.store.lookups.put(asked, None, ttl_s=FAILED_S)
        return f"{asked.kind} · failed: {error.code}"
