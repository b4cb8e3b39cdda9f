"""The simulated Discord without its HTTP server: all parts, put together. Used from one event loop only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.simulator.actions import Actions
from shoal.simulator.cdn import Signer
from shoal.simulator.events import Events
from shoal.simulator.faults import Faults
from shoal.simulator.hub import Hub
from shoal.simulator.interactions import Interactions
from shoal.simulator.log import EventLog
from shoal.simulator.payloads import Payloads
from shoal.simulator.ratelimits import RateLimits
from shoal.simulator.settings import Settings
from shoal.simulator.world import World

if TYPE_CHECKING:
    from shoal.simulator.gateway import GatewaySocket

__all__ = ["Core"]


class Core:
    """Everything a handler needs."""

    def __init__(self, log_path: Path | None = None, *, seed: int = 0) -> None:
        self.settings = Settings()
        self.faults = Faults(seed)
        self.log = EventLog(log_path)
        self.world = World.default()
        self.signer = Signer(self.settings)
        self.payloads = Payloads(self.world, self.signer)
        self.hub = Hub(self.settings, self.faults, self.log)
        self.events = Events(self.world, self.payloads, self.hub)
        self.actions = Actions(self.world, self.events, self.settings)
        self.interactions = Interactions(self.world, self.payloads, self.events, self.settings)
        self.limits = RateLimits(self.settings)
        self.sockets: set[GatewaySocket] = set()
        self.member_requests: dict[tuple[str, str], float] = {}
        self._identified: dict[tuple[str, int], float] = {}

    @property
    def origin(self) -> str:
        """``http://host:port``."""
        return self.signer.origin

    @property
    def gateway_url(self) -> str:
        """What ``/gateway/bot`` says; the query is the client's."""
        return self.origin.replace("http", "ws", 1) + "/gateway"

    def identify_allowed(self, bot_id: str, shard: int) -> bool:
        """Whether the identify window has room for this shard, and take it."""
        window = self.settings.identify_window_s
        key = (bot_id, shard % max(1, self.settings.max_concurrency))
        now = time.monotonic()
        if window and now - self._identified.get(key, -window) < window:
            return False
        self._identified[key] = now
        return True
