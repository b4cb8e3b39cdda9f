"""Several shards in one process: each with its own session, cursor and commands."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateway.facts import shard_of
from gateway.lookup import GatewayInfo, IdentifyGate, Lookup
from gateway.sharding import choose_shards, forget_shards, settle_shards
from shoal.base.errors import ProcessError, TransportError
from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT, Start, depth, eventually, inbound
from tests.gateway.support.server import ScriptedGateway

pytestmark = pytest.mark.waits

TOKEN = "t" * 32


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator() as running:
        monkeypatch.setattr("tests.gateway.conftest.TOKEN", running.token)
        running.control.configure(shards=2, max_concurrency=1, identify_window_s=5.0)
        yield running


def places(discord: Simulator) -> list[tuple[str, str]]:
    """(guild, channel) of one guild for each of two shards."""
    found = {shard_of(discord.guild_id, 2): (discord.guild_id, discord.channel_id)}
    bot = discord.bot_id
    while len(found) < 2:
        guild = discord.control.add_guild("more", members=[bot])["id"]
        channel = discord.control.add_channel(guild, "talk")["id"]
        for user in [discord.user_id]:
            discord.control.add_member(guild, user)
        found.setdefault(shard_of(guild, 2), (guild, channel))
    return [found[0], found[1]]


def commands(discord: Simulator) -> list[dict[str, Any]]:
    return discord.control._many("/gateway", what="command")


def test_two_shards_listen_and_resume_side_by_side(discord: Simulator, store: Store, start: Start) -> None:
    where = places(discord)
    begun = time.monotonic()
    running = start(api_url=discord.api_url, shards=2)
    eventually(lambda: all(line.shard.live for line in running.gateway.lines), 40.0)
    assert time.monotonic() - begun >= 5.0, "two IDENTIFYs of one key within five seconds"
    assert sorted(tuple(one["shard"]) for one in discord.control.sessions()) == [(0, 2), (1, 2)]
    for guild, channel in where:
        eventually(lambda: store.facts.channel(ACCOUNT, channel))  # noqa: B023 - called at once
        said = discord.control.say(channel, "hello")["id"]
        eventually(lambda: depth(store, channel) == 1)  # noqa: B023
        [event] = inbound(store, channel)
        assert (event.shard, msgspec.json.decode(event.data)["id"]) == (shard_of(guild, 2), said)
    running.gateway.announce()
    [process] = store.processes.living()
    assert (process.info["shards"], process.info["connected"]) == (2, True)
    assert [line["shard"] for line in process.info["lines"]] == [0, 1]
    running.stop()
    said = [discord.control.say(channel, "while away")["id"] for _, channel in where]
    again = start(api_url=discord.api_url, shards=2)
    eventually(lambda: all(line.shard.live for line in again.gateway.lines), 20.0)
    for (_, channel), message_id in zip(where, said, strict=True):
        eventually(lambda: depth(store, channel) == 1)  # noqa: B023
        assert [msgspec.json.decode(event.data)["id"] for event in inbound(store, channel)] == [message_id]
    assert [one["resumes"] for one in discord.control.sessions()] == [1, 1]


def test_a_gap_of_one_shard_is_filled_by_that_shard(discord: Simulator, store: Store, start: Start) -> None:
    discord.control.configure(identify_window_s=0.0)
    where = places(discord)
    settings = {"groupPolicy": "open"}
    running = start(api_url=discord.api_url, shards=2, discord=settings)
    eventually(lambda: all(line.shard.live for line in running.gateway.lines), 40.0)
    for _, channel in where:
        eventually(lambda: store.facts.channel(ACCOUNT, channel))  # noqa: B023
        discord.control.say(channel, "before")
        eventually(lambda: depth(store, channel) == 1)  # noqa: B023
    running.stop()
    eventually(lambda: discord.control.gateway("forget")["touched"] or not discord.control.sessions())
    missed = [discord.control.say(channel, "missed")["id"] for _, channel in where]
    running = start(api_url=discord.api_url, shards=2, discord=settings)
    for (_, channel), message_id in zip(where, missed, strict=True):
        eventually(lambda: depth(store, channel) == 2, 30.0)  # noqa: B023
        eventually(lambda: not any(line.backfill.filling for line in running.gateway.lines), 30.0)
        assert msgspec.json.decode(inbound(store, channel)[1].data)["id"] == message_id
    assert len(discord.control.requests(route="GET /channels/{channel_id}/messages")) == 2


def test_commands_go_to_the_shard_of_their_guild(discord: Simulator, store: Store, start: Start) -> None:
    discord.control.configure(identify_window_s=0.0)
    where = places(discord)
    running = start(api_url=discord.api_url, shards=2)
    eventually(lambda: all(line.shard.live for line in running.gateway.lines), 40.0)
    for guild, _ in where:
        ask = {"op": 8, "d": {"guild_id": guild, "query": "", "limit": 1}}
        store.intake.command(ACCOUNT, json.dumps(ask).encode())
    sounds = {"op": 31, "d": {"guild_ids": [guild for guild, _ in where]}}
    store.intake.command(ACCOUNT, json.dumps(sounds).encode())
    presence = {"op": 3, "d": {"since": None, "activities": [], "status": "idle", "afk": False}}
    store.intake.command(ACCOUNT, json.dumps(presence).encode())
    sessions = {one["id"]: one["shard"][0] for one in discord.control.sessions()}
    done = eventually(lambda: len(found := commands(discord)) >= 6 and found, 30.0)
    by_shard = {(sessions[entry["session"]], entry["op"]): entry["data"] for entry in done}
    for number, (guild, _) in enumerate(where):
        assert by_shard[number, 8]["guild_id"] == guild
        assert by_shard[number, 31]["guild_ids"] == [guild]
        assert by_shard[number, 3]["status"] == "idle"


class Recommends:
    """A ``/gateway/bot`` that answers a number, or fails."""

    def __init__(self, shards: int | None) -> None:
        self.shards = shards
        self.asked = 0

    def lookup(self) -> Lookup:
        def ask() -> object:
            self.asked += 1
            if self.shards is None:
                raise TransportError("no way", leg="gateway")
            return {"url": "wss://x", "shards": self.shards}

        return Lookup(ask, ACCOUNT, "env", fallback=False)


def test_the_number_of_shards_is_configured_known_or_recommended(store: Store) -> None:
    recommends = Recommends(3)
    assert choose_shards(5, store, ACCOUNT, recommends.lookup()) == 5
    assert recommends.asked == 0
    assert choose_shards(None, store, ACCOUNT, recommends.lookup()) == 3
    assert store.intake.holder_acquire(ACCOUNT, TOKEN, 60_000)
    settle_shards(store, ACCOUNT, 3, token=TOKEN)
    store.intake.begin_session(ACCOUNT, 2, "s", "wss://r", 1, token=TOKEN)
    recommends.shards = 7
    assert choose_shards(None, store, ACCOUNT, recommends.lookup()) == 3, "sessions are of that layout"
    forget_shards(store, ACCOUNT)
    assert choose_shards(None, store, ACCOUNT, recommends.lookup()) == 7
    recommends.shards = None
    assert choose_shards(None, store, ACCOUNT, recommends.lookup()) == 1


def test_another_layout_gives_sessions_up_and_remembers_where_they_stood(store: Store) -> None:
    assert store.intake.holder_acquire(ACCOUNT, TOKEN, 60_000)
    settle_shards(store, ACCOUNT, 1, token=TOKEN)
    store.intake.begin_session(ACCOUNT, 0, "s", "wss://r", 1, token=TOKEN)
    settle_shards(store, ACCOUNT, 1, token=TOKEN)
    assert store.intake.cursor(ACCOUNT, 0) is not None
    settle_shards(store, ACCOUNT, 2, token=TOKEN)
    assert store.intake.cursor(ACCOUNT, 0) is None
    gap = store.gaps.read(ACCOUNT, 0)
    assert gap is not None
    assert gap.since_ms is not None


def test_identifies_are_spaced_by_key_for_all_gateways(store: Store) -> None:
    info = GatewayInfo("wss://x", shards=4, remaining=9, max_concurrency=2)
    assert IdentifyGate(store, ACCOUNT, 0).take(info) == 0.0
    assert IdentifyGate(store, ACCOUNT, 1).take(info) == 0.0
    assert 0 < IdentifyGate(store, ACCOUNT, 2).take(info) <= 5.2
    assert 0 < IdentifyGate(store, ACCOUNT, 3).take(info) <= 5.2


@pytest.mark.parametrize(("recommended", "code"), [(2, 69), (1, 78)])
def test_too_few_shards_are_cured_by_a_new_start_if_discord_recommends_more(
    store: Store, start: Start, server: ScriptedGateway, recommended: int, code: int
) -> None:
    server.script.close_on_identify = 4011
    limit = {"total": 9, "remaining": 9, "reset_after": 0, "max_concurrency": 1}
    server.script.bot_body = {"url": server.ws_url, "shards": recommended, "session_start_limit": limit}
    error = start().wait_end()
    assert isinstance(error, ProcessError)
    assert error.exit_code == code
    assert (store.facts.get(ACCOUNT, "misc", "shards") is None) is (recommended == 2)
