"""A scripted Discord, and a gateway of ours running against it in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import config
from gateway.compression import Compression
from gateway.holder import AccountHolder
from gateway.listener import Gateway, Personal
from shoal.base.errors import ShoalError
from shoal.base.ids import new_token
from shoal.discord.connect import open_transport
from shoal.discord.limiter import Limiter
from shoal.state.records import InboundEvent, Record, decode_event
from shoal.state.store import Store
from tests.gateway.support.server import CHANNEL, ScriptedGateway

ACCOUNT = "default"
TOKEN = "OTAwMDAwMDAwMDAwMDAwMDAx.GabcdE.0123456789abcdefghijklmnopqrstuvwxyzAB"


@pytest.fixture
def server() -> Iterator[ScriptedGateway]:
    running = ScriptedGateway()
    yield running
    running.stop()


class Running:
    """A gateway in a thread. ``stop`` ends it in good order; ``error`` is what it ended with."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.error: ShoalError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.gateway.run()
        except ShoalError as error:
            self.error = error

    def wait_end(self, seconds: float = 30.0) -> ShoalError | None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the gateway did not end"
        return self.error

    def stop(self) -> None:
        self.gateway.stop()
        self.wait_end()


Start = Callable[..., Running]


@pytest.fixture
def start(store: Store, server: ScriptedGateway, tmp_path: Path) -> Iterator[Start]:
    """Starts gateways: ``start(compression="none", discord={…}, force=False, api_url=…)``."""
    started: list[Running] = []
    closing: list[Any] = []

    def make(
        *,
        compression: Compression = "zlib-stream",
        discord: dict[str, Any] | None = None,
        force: bool = False,
        wait_s: float = 8.0,
        into: Store | None = None,
        api_url: str | None = None,
        shards: int = 1,
        personal: Personal | None = None,
    ) -> Running:
        loaded = load(tmp_path, api_url or server.api_url, discord)
        account = loaded.account(ACCOUNT)
        target = into or store
        transport = open_transport(account, Limiter(target), threads=4)
        closing.append(transport)
        holder = AccountHolder(target, ACCOUNT)
        holder.acquire(force=force, wait_s=wait_s)
        gateway = Gateway(
            account, target, transport, holder, compression=compression, shards=shards, personal=personal
        )
        running = Running(gateway)
        started.append(running)
        return running

    yield make
    for one in started:
        one.gateway.stop()
    for one in started:
        one.wait_end()
    for transport in closing:
        transport.close()


def load(folder: Path, api_url: str, discord: dict[str, Any] | None = None) -> config.Loaded:
    """A config with one account on the scripted server."""
    import json

    path = folder / "shoal.json"
    path.write_text(json.dumps({"channels": {"discord": {"enabled": True, **(discord or {})}}}))
    env = {"HOME": str(folder), "DISCORD_BOT_TOKEN": TOKEN, "SHOAL_DISCORD_API_URL": api_url}
    return config.load(path, env=env, state_dir=folder)


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of ``condition``; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def lane_records(store: Store, lane: str) -> list[Record]:
    """What lies in a lane, in order, read as a holder would: taken, looked at, taken off."""
    records: list[Record] = []
    grant = store.lanes.acquire(lane, new_token(), ttl_ms=60_000)
    while grant is not None and hasattr(grant, "head"):
        records.append(grant.head)
        grant = store.lanes.commit(grant)
    return records


def inbound(store: Store, channel: str = CHANNEL) -> list[InboundEvent]:
    """The events of a channel's inbound lane; takes them off."""
    return [decode_event(record.body) for record in lane_records(store, f"inbound:{ACCOUNT}:{channel}")]


def depth(store: Store, channel: str = CHANNEL) -> int:
    """How many records wait for a channel."""
    return store.lanes.depth(f"inbound:{ACCOUNT}:{channel}")
