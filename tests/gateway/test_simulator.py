"""The gateway against the simulator, with every fault of its gateway switched on in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT, Start, depth, eventually, inbound

pytestmark = pytest.mark.waits


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator() as running:
        monkeypatch.setattr("tests.gateway.conftest.TOKEN", running.token)
        yield running


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("gateway_refuse", {"status": 503, "count": 2}),
    ("gateway_refuse", {"status": 0, "count": 2}),
    ("gateway_close", {"code": 4000, "at": "event", "count": 3}),
    ("gateway_cut", {"at": "event", "count": 3}),
    ("gateway_reconnect", {"at": "event", "count": 3}),
    ("gateway_invalid_session", {"resumable": True, "at": "resume", "count": 1}),
    ("gateway_duplicate_event", {"count": 5}),
    ("gateway_delay_event", {"seconds": 0.3, "count": 5}),
]


@pytest.mark.parametrize(("kind", "fields"), FAULTS)
def test_nothing_is_lost_under_faults(
    discord: Simulator, store: Store, start: Start, kind: str, fields: dict[str, Any]
) -> None:
    if kind == "gateway_refuse":
        discord.control.fault(kind, **fields)
    running = start(api_url=discord.api_url)
    eventually(lambda: running.gateway.shard.live, 30.0)
    eventually(lambda: store.facts.channel(ACCOUNT, discord.channel_id))
    if kind != "gateway_refuse":
        discord.control.fault(kind, **fields)
    if "invalid" in kind:
        discord.control.gateway("cut")
    said = [discord.control.say(discord.channel_id, f"number {n}")["id"] for n in range(30)]
    eventually(lambda: depth(store, discord.channel_id) >= 30, 40.0)
    events = inbound(store, discord.channel_id)
    got = [msgspec.json.decode(event.data)["id"] for event in events if event.event == "MESSAGE_CREATE"]
    assert got == said
    assert store.facts.me(ACCOUNT)["id"] == discord.bot_id  # type: ignore[index]
    assert store.lanes.dead_list(10) == []
