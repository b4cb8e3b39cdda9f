"""Which host an agent's files lie on, and who said so (rule R25).

The session lanes of an agent with a home are routed to the queue of that host, ``turns.<home>``. The config
may name it; else the first host that serves the agent leases it, and loses it when it has been gone for a
minute. Where all hosts share their files there are no homes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["GONE_MS", "Homes", "Missing"]

GONE_MS = 60_000
"""A home that nobody has served from for so long is reported."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A home without a living worker. ``gone_ms`` counts from the first look that missed it."""

    agent: str
    home: str
    gone_ms: int


class Homes:
    """Agent → host."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> dict[str, str]:
        """Every agent that has one."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.homes())
        return {agent.decode(): home.decode() for agent, home in raw.items()}

    def claim(self, agent: str, host: str) -> str:
        """The home of an agent, which is ``host`` if it had none."""
        key = self._store.keys.homes()
        if self._store.redis.hsetnx(key, check_name(agent, "agent id"), check_name(host, "home")):
            return host
        found: bytes | None = self._store.redis.hget(key, agent)
        return found.decode() if found is not None else host

    def put(self, agent: str, home: str) -> None:
        """The config says where an agent lives."""
        self._store.redis.hset(
            self._store.keys.homes(), check_name(agent, "agent id"), check_name(home, "home")
        )

    def release(self, agent: str, home: str) -> None:
        """An agent has no home any more, if it was this one. Its lanes go to whoever serves them."""
        if self.all().get(agent) == home:
            self._store.redis.hdel(self._store.keys.homes(), agent)

    def missing(self, living: Iterable[str]) -> list[Missing]:
        """Homes on hosts where nobody lives, and for how long that has been seen."""
        hosts, now, key = set(living), self._store.now_ms(), self._store.keys.homes_gone()
        homes = self.all()
        raw: dict[bytes, bytes] = self._store.redis.hgetall(key)
        since = {agent.decode(): value.decode().partition(" ") for agent, value in raw.items()}
        found = []
        for agent, home in sorted(homes.items()):
            if home in hosts:
                continue
            first, _, what = since.get(agent, ("", "", ""))
            if what != home:
                first = str(now)
                self._store.redis.hset(key, agent, f"{now} {home}")
            found.append(Missing(agent, home, max(0, now - int(first))))
        back = set(since) - {one.agent for one in found}
        if back:
            self._store.redis.hdel(key, *back)
        return found
