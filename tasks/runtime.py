"""What one process of the fleet is made of: config, store, app, lanes, transports.

The only place where the parts are put together (with :mod:`tasks.parts`). Everything below gets what
it needs as an argument; nothing is global. What beat and Flower do not need is imported at first use.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from celery import Celery

from config import Loaded
from shoal.base import exits
from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import StateError, StoreUnavailable
from shoal.base.logging import get_logger
from shoal.base.process import FLEET_RUN
from shoal.base.threads import Surviving, start_thread
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import READS, Limit
from shoal.state.store import Store
from tasks.app import build_app
from tasks.drain import Drain
from tasks.homes import AtHome
from tasks.keeper import RENEW_TIMEOUT_S, Keeper
from tasks.stopping import Stopping
from tasks.stuck import SESSIONS, in_hand_info

if TYPE_CHECKING:
    from shoal.discord.rest import Rest
    from tasks.early import Early
    from tasks.transports import Transports
    from workers.access.names import Names
    from workers.agent.providers.ears import Ears
    from workers.agent.providers.voices import Voices
    from workers.agent.results import TurnDeps
    from workers.delivery.deps import DeliveryDeps
    from workers.sessions.view import Settings

__all__ = ["Runtime", "open_runtime"]

ANNOUNCE_EVERY_S = 5.0
ANNOUNCE_TTL_S = 15.0
NAMES_S = 30.0
"""How often a process looks whether names of the config mean something else."""

log = get_logger(__name__)


@dataclass
class Runtime:
    """One process.

    Attributes:
        loaded: the config in force.
        store: Redis.
        app: Celery.
        kind: ``front``, ``back``, …
        index: number among several of one kind on this host.
        home: the name of this host, for agents whose files live here.
        stopping: the process's wish to leave.
        renewals: the store on a connection of its own, quick to give up a silent socket.
        by: whose the grants of this process are, see :meth:`~shoal.state.processes.Processes.begin`.
        store_url: URL of the store, with its password; not for logs.
    """

    loaded: Loaded
    store: Store
    app: Celery
    kind: str
    index: int
    home: str
    stopping: Stopping
    renewals: Store = field(repr=False)
    store_url: str = field(repr=False)
    by: str = ""
    clock: Clock = field(default_factory=SystemClock)
    _settings: dict[str, tuple[float, Names, Settings]] = field(default_factory=dict)
    _ears: dict[str, Ears] = field(default_factory=dict)
    _voices: dict[str, Voices] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def node_name(self) -> str:
        """Celery node name, ``kind@host``; ``kind.2@host`` for the second of a kind."""
        kind = self.kind if self.index == 1 else f"{self.kind}.{self.index}"
        return f"{kind}@{self.home}"

    @cached_property
    def keeper(self) -> Keeper:
        """Renews the leases held here; asks the process to leave when threads leak."""
        keeper = Keeper(self.renewals.lanes, on_leak=lambda: self.stopping.request(exits.BUG))
        self.stopping.at_end(keeper.give_back)
        return keeper

    @cached_property
    def drain(self) -> Drain:
        """Works lanes off."""
        quarantine = self.kind == "chores"
        return Drain(self.store.lanes, self.keeper, self.stopping, quarantine=quarantine, by=self.by)

    @cached_property
    def at_home(self) -> AtHome:
        """Which sessions this host may serve."""
        return AtHome(self.loaded, self.store, self.home, self.clock.monotonic)

    @cached_property
    def transports(self) -> Transports:
        """The one way out, per account."""
        from tasks.transports import Transports

        return Transports(self.loaded, self.store, self.clock)

    def rest(self, account_id: str) -> Rest:
        """REST calls of one account."""
        return self.transports.rest(account_id)

    def ears(self, account_id: str) -> Ears | None:
        """Transcribes recordings of one account; none if no model is configured for it.

        Raises:
            ConfigError: there is no such account that can run.
        """
        listeners = self.loaded.audio.listeners
        if not listeners:
            return None
        ears = self._ears.get(account_id)
        if ears is None:
            from workers.agent.providers.ears import Ears

            account = self.loaded.account(account_id)
            made = Ears(listeners, proxy=account.proxy, ca_file=account.proxy_ca_file)
            ears = self._ears.setdefault(account_id, made)
        return ears

    def voices(self, account_id: str) -> Voices:
        """Speaks texts for one account.

        Raises:
            ConfigError: there is no such account that can run.
        """
        voices = self._voices.get(account_id)
        if voices is None:
            from workers.agent.providers.voices import Voices

            account = self.loaded.account(account_id)
            made = Voices(proxy=account.proxy, ca_file=account.proxy_ca_file)
            voices = self._voices.setdefault(account_id, made)
        return voices

    def admission_settings(self, account_id: str) -> Settings:
        """What admission needs of the config, compiled once per account and whenever its names mean
        something else."""
        now, made = self.clock.monotonic(), self._settings.get(account_id)
        if made is None or now - made[0] > NAMES_S:
            from workers.sessions.access_settings import known_names
            from workers.sessions.view import settings_of

            names = known_names(self.store, account_id)
            same = made is not None and made[1].same_as(names)
            settings = made[2] if made is not None and same else settings_of(self.loaded, account_id, names)
            made = self._settings[account_id] = (now, names, settings)
        return made[2]

    @property
    def media_folder(self) -> Path:
        """Where received files lie on this host."""
        return self.loaded.paths.media

    def once(self, about: str) -> bool:
        """Whether this process has not said this yet; for warnings that need no repetition."""
        fresh = about not in self._told
        self._told.add(about)
        return fresh

    @property
    def turn_limit(self) -> Limit | None:
        """``agents.defaults.maxConcurrent``, which counts only where it is written (rule R33)."""
        cap = self.loaded.root.agents.defaults.max_concurrent
        return Limit("turns.main", cap) if cap else None

    @cached_property
    def turn_deps(self) -> TurnDeps:
        """What turns share."""
        from tasks.parts import make_turn_deps

        return make_turn_deps(self)

    @cached_property
    def early(self) -> Early:
        """Shows people at once that their message waits."""
        from tasks.parts import make_early

        return make_early(self)

    @cached_property
    def delivery_deps(self) -> DeliveryDeps:
        """What deliveries share."""
        from tasks.parts import make_delivery_deps

        return make_delivery_deps(self)

    def start(self) -> None:
        """Begin to renew leases and to announce this process."""
        self.keeper.start()
        start_thread("announce", self._announce, self.stopping.failed)

    def close(self) -> None:
        """Leave in good order."""
        self.stopping.request()
        self.keeper.stop()
        try:
            self.store.processes.leave(self.kind, self.home, os.getpid())
        except StoreUnavailable as error:
            log.warning("could not say good-bye; the entry ends by itself", error=error)
        self.store.close()
        self.renewals.close()

    def _info(self) -> dict[str, object]:
        """What this process says of itself: its number, and the sessions it works on."""
        sessions = in_hand_info(self.keeper.in_hand(), self.clock.monotonic())
        return {"index": self.index, **({SESSIONS: sessions} if sessions else {})}

    def _announce_once(self) -> None:
        try:
            self.store.processes.announce(
                self.kind, self.home, os.getpid(), READS, self._info(), ANNOUNCE_TTL_S
            )
        except StateError as error:
            log.warning("could not announce this process", error=error)

    def _announce(self) -> None:
        while True:
            # without this thread `shoal status` would miss a living process
            with Surviving("could not announce this process"):
                self._announce_once()
            if self.stopping.wait(ANNOUNCE_EVERY_S):
                return


def open_runtime(loaded: Loaded, kind: str, *, index: int = 1, app: Celery | None = None) -> Runtime:
    """Connect this process to its store and build what it needs.

    Raises:
        StoreUnavailable, StoreUnsuitable: Redis is away or must not be used as it is.
    """
    url = loaded.redis_url or EmbeddedServer(loaded.state_dir).url()
    password, ca_file = loaded.redis.password, loaded.redis.ca_file
    store = Store.open(url, password=password, client_name=f"shoal-{kind}", ca_file=ca_file)
    for warning in store.check().warnings:
        log.warning(warning)
    return Runtime(
        loaded=loaded,
        store=store,
        renewals=Store.open(
            url,
            password=password,
            client_name=f"shoal-{kind}-leases",
            timeout_s=RENEW_TIMEOUT_S,
            ca_file=ca_file,
        ),
        app=app or build_app(url, password, ca_file),
        kind=kind,
        index=index,
        home=loaded.host,
        stopping=Stopping(),
        store_url=url,
        by=store.processes.begin(loaded.host, os.environ.get(FLEET_RUN, "")),
    )
