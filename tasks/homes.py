"""On which host turns run and files lie (rule R25).

An agent's workspace is a folder of one host, so its turns run there: where ``agents.*.home`` says, else on
the first host that served it. A fleet whose hosts have one disk has no homes: it says ``home: "shared"``, or
uses the embedded Redis, which lies in the state dir that every process of that fleet then has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shoal.base.logging import get_logger
from shoal.base.process import host_name
from shoal.state.homes import GONE_MS
from workers.sessions.keys import agent_of

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.store import Store

__all__ = ["SHARED", "AtHome", "files_host", "home_in_config", "settle_homes"]

SHARED = "shared"
SURE_FOR_S = 10.0
"""How long a process relies on having found an agent at home here."""

log = get_logger(__name__)


def shares_files(loaded: Loaded) -> bool:
    """Whether every process of this fleet has the same disk."""
    return loaded.redis_url is None or loaded.root.agents.defaults.home == SHARED


def files_host(loaded: Loaded) -> str:
    """Whose disk received files are on, as far as others are concerned."""
    return SHARED if shares_files(loaded) else loaded.host


def home_in_config(loaded: Loaded, agent_id: str) -> str | None:
    """Where the config says an agent lives: a host, :data:`SHARED`, or none for the first that serves it."""
    agent = loaded.agents.get(agent_id)
    told = agent.home if agent is not None else None
    if told is None:
        return SHARED if shares_files(loaded) else None
    return told if told == SHARED else host_name(told)


class AtHome:
    """Which lanes this host may serve."""

    def __init__(self, loaded: Loaded, store: Store, host: str, monotonic: Callable[[], float]) -> None:
        self._loaded = loaded
        self._store = store
        self._host = host
        self._monotonic = monotonic
        self._sure_until: dict[str, float] = {}

    def elsewhere(self, lane: str) -> str:
        """The host a session lane must be served on, if that is another; empty if it may be served here.

        Raises:
            StoreUnavailable: Redis is away.
        """
        agent = agent_of(lane.removeprefix("session:"))
        if agent is None:
            return ""
        home = home_in_config(self._loaded, agent)
        if home is None:
            if self._monotonic() < self._sure_until.get(agent, 0.0):
                return ""
            home = self._store.homes.claim(agent, self._host)
            if home == self._host:
                self._sure_until[agent] = self._monotonic() + SURE_FOR_S
        return "" if home in (SHARED, self._host) else home


def settle_homes(loaded: Loaded, store: Store) -> str:
    """Write down what the config says, take homes from hosts that are gone; a line for Flower."""
    known, gone = store.homes.all(), 0
    for agent in {*known, *loaded.agents}:
        told = SHARED if agent not in loaded.agents else home_in_config(loaded, agent)
        if told == SHARED and agent in known:
            store.homes.release(agent, known[agent])
        elif told not in (None, SHARED) and told != known.get(agent):
            store.homes.put(agent, str(told))
    living = {process.host for process in store.processes.living() if process.kind == "turns"}
    for one in store.homes.missing(living):
        if one.gone_ms < GONE_MS:
            continue
        gone += 1
        if home_in_config(loaded, one.agent) is not None:
            log.error("an agent's home is gone: its turns wait for it", agent=one.agent, home=one.home)
            continue
        store.homes.release(one.agent, one.home)
        log.warning("an agent's home is gone: whoever serves it next has it", agent=one.agent, home=one.home)
    return f"{len(store.homes.all())} homes, {gone} gone"
