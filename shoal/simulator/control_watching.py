"""Watching: the part of :class:`~shoal.simulator.control.Control` that reads and waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from shoal.simulator.control_calls import Calls, Json

__all__ = ["Watching"]


class Watching(Calls):
    """Messages, requests, events, sessions and interactions, as they are or once they are there."""

    def messages(
        self,
        channel: str,
        *,
        after: str | None = None,
        author: str | None = None,
        contains: str | None = None,
        limit: int = 1000,
    ) -> list[Json]:
        """Messages of a channel, oldest first; deleted ones are not in it. ``author="bot"``: any bot."""
        return self._many(
            f"/channels/{channel}/messages", after=after, author=author, contains=contains, limit=limit
        )

    def wait_for_message(
        self,
        channel: str,
        *,
        after: str | None = None,
        author: str = "bot",
        contains: str | None = None,
        timeout: float = 10.0,
        count: int = 1,
    ) -> Json:
        """The ``count``-th message after ``after`` by ``author`` (any bot) that holds ``contains``."""

        def look() -> Json | None:
            found = self.messages(channel, after=after, author=author, contains=contains)
            return found[count - 1] if len(found) >= count else None

        wanted = f"message {count} by {author} in {channel}"
        if contains is not None:
            wanted += f" with {contains!r}"
        return self.wait_until(look, timeout=timeout, what=wanted)

    def requests(self, *, route: str | None = None, after: int = 0, **filters: Any) -> list[Json]:
        """Requests to REST and CDN: ``{n, time, method, path, route, status, body, answer, source, bot, …}``.

        ``route`` is ``"POST /channels/{channel_id}/messages"`` or a part of it; ``after`` a number ``n``.
        """
        return self._many("/requests", route=route, after=after, **filters)

    def wait_for_request(self, route: str, *, after: int = 0, timeout: float = 10.0) -> Json:
        """The first request of ``route`` after number ``after``."""
        return self.wait_until(
            lambda: next(iter(self.requests(route=route, after=after)), None),
            timeout=timeout,
            what=f"a request {route}",
        )

    def events(self, *, name: str | None = None, after: int = 0, **filters: Any) -> list[Json]:
        """Gateway events sent: ``{n, time, bot, session, seq, event, data}``."""
        return self._many("/events", name=name, after=after, **filters)

    def sessions(self) -> list[Json]:
        """Gateway sessions: ``{id, bot, shard, seq, connected, resumes, identified_at, intents, …}``."""
        return self._many("/sessions")

    def wait_for_ready(self, bot: str | None = None, *, timeout: float = 20.0) -> Json:
        """The session of ``bot`` (any, if left out) once it is connected."""

        def look() -> Json | None:
            for session in self.sessions():
                if session["connected"] and bot in (None, session["bot"], session["bot_name"]):
                    return session
            return None

        return self.wait_until(look, timeout=timeout, what=f"a connected session of {bot or 'any bot'}")

    def interaction(self, interaction: str) -> Json:
        """State of an interaction: type, answered, callback type, latency_ms, modal, messages."""
        return self._one("GET", f"/interactions/{interaction}")

    def wait_for_interaction(self, interaction: str, *, timeout: float = 5.0) -> Json:
        """The interaction once it was answered."""
        return self.wait_until(
            lambda: (lambda state: state if state["answered"] else None)(self.interaction(interaction)),
            timeout=timeout,
            what=f"an answer to interaction {interaction}",
        )

    def wait_until(self, look: Callable[[], Json | None], *, timeout: float, what: str) -> Json:
        """Ask ``look`` every 20 ms until it returns something.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no {what} within {timeout:g} s")
            time.sleep(0.02)
