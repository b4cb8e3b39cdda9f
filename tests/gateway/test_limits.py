"""Presences, Redis' memory, stalled connections: what the gateway does not overdo or sit through."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import msgspec
import pytest

from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT, Start, depth, eventually, inbound
from tests.gateway.support.server import ScriptedGateway, message

pytestmark = pytest.mark.waits


def test_no_more_than_five_presences_in_twenty_seconds(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    running = start(discord={"status": "online"})
    server.wait_frames(3)
    for number in range(12):
        body = {"op": 3, "d": {"since": None, "activities": [], "status": "idle", "afk": bool(number % 2)}}
        store.intake.command(ACCOUNT, json.dumps(body).encode())
        time.sleep(0.3)
    voice = {"guild_id": "1", "channel_id": None, "self_mute": False, "self_deaf": False}
    store.intake.command(ACCOUNT, json.dumps({"op": 4, "d": voice}).encode())
    assert server.wait_frames(4) == [voice], "a presence that waits lets others pass"
    assert server.count("frame", 3) == 5
    assert running.error is None


def test_reading_stops_while_redis_is_nearly_full_and_nothing_is_lost(
    server: ScriptedGateway, store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = 0.91
    monkeypatch.setattr(type(store), "memory_share", lambda self: share)
    server.script.interval_ms = 400
    running = start()
    server.wait_frames(2)
    eventually(lambda: running.gateway.buffer.paused)
    sent = [message(number) for number in range(50)]
    for one in sent:
        server.dispatch("MESSAGE_CREATE", one)
    beats = server.count("frame", 1)
    server.wait_frames(1, beats + 6)
    assert server.count("open") == 1, "a gateway that does not read keeps its connection"
    assert depth(store) == 0
    share = 0.86
    time.sleep(2.5)
    assert running.gateway.buffer.paused, "between 85 and 90 % nothing changes"
    share = 0.84
    eventually(lambda: depth(store) == 50)
    assert [msgspec.json.decode(event.data)["id"] for event in inbound(store)] == [one["id"] for one in sent]
    assert running.gateway.shard.status()["reading"] is True


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator() as running:
        monkeypatch.setattr("tests.gateway.conftest.TOKEN", running.token)
        running.control.configure(heartbeat_interval_ms=1000)
        yield running


@pytest.mark.parametrize("kind", ["gateway_stall", "gateway_no_ack"])
def test_a_connection_that_went_silent_is_left_and_resumed(
    discord: Simulator, store: Store, start: Start, kind: str
) -> None:
    """Half open: nothing comes any more, not even an end. Only the missing ACK tells."""
    running = start(api_url=discord.api_url)
    eventually(lambda: running.gateway.shard.live, 30.0)
    eventually(lambda: store.facts.channel(ACCOUNT, discord.channel_id))
    fields = {"seconds": 60.0, "at": "event"} if kind == "gateway_stall" else {}
    discord.control.fault(kind, **fields)
    begun = time.monotonic()
    said = [discord.control.say(discord.channel_id, f"number {n}")["id"] for n in range(10)]
    eventually(lambda: discord.control.sessions()[0]["resumes"] == 1, 15.0)
    assert time.monotonic() - begun < 10.0
    eventually(lambda: depth(store, discord.channel_id) == 10)
    events = inbound(store, discord.channel_id)
    assert [msgspec.json.decode(event.data)["id"] for event in events] == said
    assert len(discord.control.sessions()) == 1
