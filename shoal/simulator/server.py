"""The simulator as a server: one port for REST, gateway, CDN and control.

    with Simulator(log=Path("discord.jsonl")) as simulator:
        client.connect(simulator.api_url, simulator.token)
        simulator.control.say("general", "hello")

``run`` is the blocking form behind ``shoal simulator``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from shoal.simulator import control_people, control_world
from shoal.simulator.cdn_http import CdnHandler, StickerHandler, UploadHandler
from shoal.simulator.control import Control
from shoal.simulator.control_api import ControlHandler
from shoal.simulator.core import Core
from shoal.simulator.errors import SimulatorError
from shoal.simulator.gateway import GatewaySocket
from shoal.simulator.pluralkit import PluralKitHandler
from shoal.simulator.rest import (
    commands,
    expressions,
    guilds,
    interactions,
    management,
    messages,
    uploads,
    users,
)
from shoal.simulator.rest.web import RestHandler
from shoal.simulator.served import Served
from shoal.simulator.world import (
    DEFAULT_BOT_ID,
    DEFAULT_CHANNEL_ID,
    DEFAULT_GUILD_ID,
    DEFAULT_TOKEN,
    DEFAULT_USER_ID,
)

__all__ = ["Simulator", "run"]

REGISTERED = (
    commands, control_people, control_world, expressions, guilds, interactions, management, messages, uploads,
    users,
)  # fmt: skip
"""Modules whose import fills the route tables."""

MAX_BODY = 30 * 1024 * 1024

Faults = Path | Sequence[Mapping[str, Any]] | None


class _Server(HTTPServer):
    """Refuses connections from other addresses than ``only_from``, before a byte is read."""

    only_from: str | None = None
    control_from: str | None = None
    core: Core | None = None

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """One accepted connection."""
        if self.only_from is not None and address[0] not in (self.only_from, self.control_from):
            if self.core is not None:
                self.core.log.write("refused", source=str(address[0]), allowed=self.only_from)
            stream.close()
            return
        super().handle_stream(stream, address)


def _quiet(_handler: RequestHandler) -> None:
    """Requests are in the simulator's own log."""


class Simulator(Served):
    """A local Discord in a thread of its own.

    Args:
        port: 0 takes a free one.
        log: file for the JSON lines (``shoal.simulator.log``); None keeps them in memory only.
        faults: a JSON file or a list of faults to start with.
        host: a loopback address to bind.
        only_from: refuse connections from every other source address.
        control_from: the source address of ``control``, let in beside ``only_from``.
        settings: fields of :class:`~shoal.simulator.settings.Settings` to change.
        seed: makes faults with a probability repeatable.

    Raises:
        SimulatorError: the host is not loopback, the port is taken, or the fault file is wrong.
    """

    title = "The simulator"
    bot_id = DEFAULT_BOT_ID
    token = DEFAULT_TOKEN
    user_id = DEFAULT_USER_ID
    guild_id = DEFAULT_GUILD_ID
    channel_id = DEFAULT_CHANNEL_ID

    def __init__(
        self,
        port: int = 0,
        log: Path | None = None,
        faults: Faults = None,
        *,
        host: str = "127.0.0.1",
        only_from: str | None = None,
        control_from: str | None = None,
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise SimulatorError(f"The simulator does not listen on {host}.", fix="Use a loopback address.")
        self.core = Core(log, seed=seed)
        super().__init__(host, port, self.core.log)
        self.core.settings.change(settings or {})
        if isinstance(faults, Path):
            self.core.faults.load(faults)
        else:
            for spec in faults or ():
                self.core.faults.add(spec)
        self._only_from, self._control_from = only_from, control_from

    # -- addresses -------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The origin, ``http://127.0.0.1:PORT``; known after ``start``."""
        return self.core.origin

    @property
    def api_url(self) -> str:
        """The REST base, version included."""
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """The websocket address, without query."""
        return self.core.gateway_url

    @property
    def control(self) -> Control:
        """A client of the control API."""
        return Control(self.url, source=self._control_from)

    def _cut(self) -> None:
        for socket in list(self.core.sockets):
            socket.cut()

    def _listen(self) -> _Server:
        core = {"core": self.core}
        application = Application(
            [
                (r"/api/v(\d+)(/.*)", RestHandler, core),
                (r"/gateway/?", GatewaySocket, core),
                (r"/cdn/attachments/(\d+)/(\d+)/(.*)", CdnHandler, core),
                (r"/cdn/stickers/(\d+)\.(png|gif|json)", StickerHandler, core),
                (r"/cdn/upload/(.*)", UploadHandler, core),
                (r"/pluralkit/v2/messages/(\d+)", PluralKitHandler, core),
                (r"/control/(.*)", ControlHandler, core),
            ],
            log_function=_quiet,
            websocket_ping_interval=0,
        )
        server = _Server(application, max_body_size=MAX_BODY, max_buffer_size=MAX_BODY + 1024 * 1024)
        server.only_from, server.control_from, server.core = self._only_from, self._control_from, self.core
        sockets = bind_sockets(self._port, self._host)
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.core.signer.origin = f"http://{shown}:{port}"
        return server


def run(
    port: int = 8060,
    log: Path | None = None,
    faults: Faults = None,
    *,
    host: str = "127.0.0.1",
    only_from: str | None = None,
    ready: Callable[[Simulator], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. ``ready`` gets the simulator once it listens (print addresses there).

    Raises:
        SimulatorError: see :class:`Simulator`.
    """
    simulator = Simulator(port, log, faults, host=host, only_from=only_from)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, simulator.request_stop)
        await simulator.serve(lambda: ready(simulator) if ready is not None else None)

    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    asyncio.run(main())
    simulator.check()
