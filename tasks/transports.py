"""The transports of one worker process: one per account, made at first use."""

from __future__ import annotations

import threading

from config import Loaded
from shoal.base.clock import Clock
from shoal.discord.connect import open_transport
from shoal.discord.limiter import Limiter, Priority
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.state.store import Store

__all__ = ["Transports", "in_background"]


def in_background(rest: Rest, *, max_wait: float) -> Rest:
    """Calls nobody waits for: they go behind all others, are tried once, and wait at most ``max_wait`` s."""
    return rest.limited(max_wait=max_wait, retry=NO_RETRY, priority=Priority.BACKGROUND)


class Transports:
    """Gives each account its REST calls; connections are kept and shared by the threads."""

    def __init__(self, loaded: Loaded, store: Store, clock: Clock, *, threads: int = 32) -> None:
        self._loaded = loaded
        self._limiter = Limiter(store, clock=clock)
        self._clock = clock
        self._threads = threads
        self._lock = threading.Lock()
        self._made: dict[str, Rest] = {}

    def rest(self, account_id: str) -> Rest:
        """REST calls of an account.

        Raises:
            ConfigError: there is no such account that can run, or its proxy cannot be used.
        """
        with self._lock:
            rest = self._made.get(account_id)
            if rest is None:
                account = self._loaded.account(account_id)
                transport = open_transport(account, self._limiter, clock=self._clock, threads=self._threads)
                rest = self._made[account_id] = Rest(transport)
            return rest
