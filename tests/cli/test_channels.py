"""``shoal channels resolve`` on the real command: what entries become (decision 47)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shoal.simulator.server import Simulator
from tests.cli.helpers import Shoal


@pytest.fixture
def discord() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def test_entries_become_ids_and_what_is_not_found_says_why(shoal: Shoal, discord: Simulator) -> None:
    world = discord.control
    ann = world.add_user("ann")["id"]
    guild = world.add_guild("Reef", members=[world.state()["bots"][0]["id"], ann])["id"]
    channel = world.add_channel(guild, "talk")["id"]
    env = {"DISCORD_BOT_TOKEN": discord.token, "SHOAL_DISCORD_API_URL": discord.api_url}

    good = shoal.run("channels", "resolve", "Reef", "reef/#talk", "@ann", channel, env=env)
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines() == [
        f"Reef: guild {guild} Reef",
        f"reef/#talk: channel {channel} #talk in Reef ({guild})",
        f"@ann: user {ann} @ann",
        f"{channel}: channel {channel} #talk in Reef ({guild})",
    ]

    mixed = shoal.run("channels", "resolve", "--json", "-", env=env, stdin="reef\n\n@nobody\n")
    assert mixed.returncode == 1
    found = json.loads(mixed.stdout)
    assert [(one["entry"], one["found"], one["id"]) for one in found] == [
        ("reef", True, guild),
        ("@nobody", False, ""),
    ]
    assert found[1]["note"] == "no member has this username"


def test_a_token_discord_refuses_is_said_plainly(shoal: Shoal, discord: Simulator) -> None:
    env = {"DISCORD_BOT_TOKEN": discord.token[:-3] + "xyz", "SHOAL_DISCORD_API_URL": discord.api_url}
    refused = shoal.run("channels", "resolve", "Reef", env=env)
    assert refused.returncode != 0
    assert "401" in refused.stderr
    assert refused.stdout == ""
