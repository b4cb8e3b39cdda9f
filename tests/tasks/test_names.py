"""``upkeep.names`` on a real Valkey and the simulator: names are pinned once, and never fatal (3.13)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import config
from shoal.discord.retry import RetryPolicy
from shoal.discord.routes import Route
from shoal.simulator.server import Simulator
from tasks.names import MAX_AGE_MS, pin_names
from tasks.periodic import PERIODIC
from tasks.registry import UPKEEP_TASKS
from tasks.runtime import Runtime, open_runtime
from tests.conftest import RedisServer
from workers.access.facts import Surface
from workers.sessions.access_settings import known_names

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.fixture
def discord() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def process(
    discord: Simulator, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Callable[[dict[str, Any]], Runtime]]:
    """Opens a ``back`` process on a config."""
    opened: list[Runtime] = []

    def start(section: dict[str, Any]) -> Runtime:
        path = tmp_path / "shoal.json"
        path.write_text(json.dumps({"channels": {"discord": section}}))
        env = {
            "DISCORD_BOT_TOKEN": discord.token,
            "SHOAL_DISCORD_API_URL": discord.api_url,
            "SHOAL_REDIS_URL": redis_server.url,
            "HOME": str(tmp_path),
        }
        runtime = open_runtime(config.load(path, env=env, state_dir=tmp_path), "back")
        opened.append(runtime)
        return runtime

    yield start
    for runtime in opened:
        runtime.store.redis.flushall()
        runtime.store.close()
        runtime.renewals.close()


def requests_for(discord: Simulator, route: str) -> int:
    return sum(route in request["route"] for request in discord.control.requests())


def test_names_are_pinned_and_asked_for_once_an_hour(
    discord: Simulator, process: Callable[[dict[str, Any]], Runtime]
) -> None:
    world = discord.control
    guild = world.add_guild("Reef", members=[world.state()["bots"][0]["id"]])
    channel = world.add_channel(guild["id"], "talk")
    runtime = process({"guilds": {"reef": {"channels": {"#talk": {}}}}})
    assert pin_names(runtime) == "names · 1 accounts looked up"
    names = known_names(runtime.store, "default")
    assert names.guilds == {"reef": guild["id"]}
    assert names.channels == {"reef": {"#talk": channel["id"]}}
    assert pin_names(runtime) == "names · current"
    assert requests_for(discord, "/users/@me/guilds") == 1

    aged = json.loads(json.dumps(runtime.store.facts.get("default", "names", "names")))
    runtime.store.facts.put("default", "names", "names", {**aged, "at_ms": aged["at_ms"] - MAX_AGE_MS})
    assert pin_names(runtime) == "names · 1 accounts looked up"


def test_the_emoji_of_an_acknowledgement_is_found_by_its_name(
    discord: Simulator, process: Callable[[dict[str, Any]], Runtime]
) -> None:
    """Manual 002, "Ack reactions"; and it is put on the message in the form that Discord takes."""
    world = discord.control
    world.configure(permissions=False)
    guild = world.state()["guilds"][0]["id"]
    runtime = process({"ackReaction": ":party_blob:"})
    made = runtime.rest("default").call(
        Route("POST", "/guilds/{guild_id}/emojis", guild_id=guild),
        json={"name": "party_blob", "image": PIXEL},
    )
    assert pin_names(runtime) == "names · 1 accounts looked up"
    settings = runtime.admission_settings("default")
    assert settings.ack.emoji("main", guild) == f"party_blob:{made.data['id']}"


def test_settings_follow_what_names_mean(
    discord: Simulator, process: Callable[[dict[str, Any]], Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has compiled its settings sees new pins without a restart."""
    world = discord.control
    guild = world.add_guild("Reef", members=[world.state()["bots"][0]["id"]])
    runtime = process({"guilds": {"reef": {}}})
    renamed = Surface("channel", "60", "talk", guild["id"], "Another name")
    assert runtime.admission_settings("default").access.guilds.find(renamed) is None
    pin_names(runtime)
    monkeypatch.setattr("tasks.runtime.NAMES_S", -1.0)
    settings = runtime.admission_settings("default")
    assert settings.access.guilds.find(renamed) is not None
    assert runtime.admission_settings("default") is settings


def test_a_discord_that_cannot_be_asked_is_never_fatal(
    discord: Simulator, process: Callable[[dict[str, Any]], Runtime]
) -> None:
    world = discord.control
    guild = world.add_guild("Reef", members=[world.state()["bots"][0]["id"]])
    runtime = process({"guilds": {"reef": {}}})
    pin_names(runtime)
    aged = json.loads(json.dumps(runtime.store.facts.get("default", "names", "names")))
    runtime.store.facts.put("default", "names", "names", {**aged, "at_ms": 1})
    runtime.transports._made["default"] = runtime.rest("default").limited(retry=RetryPolicy(attempts=1))
    world.fault("status", status=500, route="GET /users/@me/guilds", count=None)
    assert pin_names(runtime) == "names · 0 accounts looked up, 1 failed"
    assert known_names(runtime.store, "default").guilds == {"reef": guild["id"]}
    assert pin_names(runtime) == "names · current"  # it is not asked again every minute


def test_a_new_config_is_looked_up_at_once(
    discord: Simulator, process: Callable[[dict[str, Any]], Runtime]
) -> None:
    pin_names(process({"guilds": {"reef": {}}}))
    runtime = process({"guilds": {"cliff": {}}})
    assert pin_names(runtime) == "names · 1 accounts looked up"
    assert set(known_names(runtime.store, "default").unresolved) == {"cliff"}


def test_without_names_nobody_is_asked(
    discord: Simulator, process: Callable[[dict[str, Any]], Runtime]
) -> None:
    assert pin_names(process({"allowFrom": ["1"]})) == "names · 1 accounts looked up"
    assert requests_for(discord, "/users/@me/guilds") == 0


def test_it_is_ticked_every_minute() -> None:
    assert PERIODIC["names"]["task"] in UPKEEP_TASKS
