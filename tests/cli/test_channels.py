"""``shoal channels resolve`` on the real command: what entries become (decision 47)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shoal.simulator.server import Simulator
from tests.cli.helpers import Shoal

pytestmark = pytest.mark.waits


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

    people = shoal.run("channels", "resolve", "--kind", "user", "ann", ann, channel, "--json", env=env)
    assert [one["id"] for one in json.loads(people.stdout)] == [ann, ann, ""], "spec/outbound.md 10"
    places = shoal.run("channels", "resolve", "--kind", "group", "talk", ann, "--json", env=env)
    assert [one["id"] for one in json.loads(places.stdout)] == [channel, ""]

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


def test_capabilities_name_what_is_missing_for_what(shoal: Shoal, discord: Simulator) -> None:
    """The manual's line about voice channels; ``spec/outbound.md`` 10."""
    world = discord.control
    env = {"DISCORD_BOT_TOKEN": discord.token, "SHOAL_DISCORD_API_URL": discord.api_url}
    asked = ("channels", "capabilities", "--channel", "discord", "--target")
    speak = 1 << 21
    deny = [{"id": discord.guild_id, "type": 0, "allow": "0", "deny": str(speak)}]
    voice = world.add_channel(discord.guild_id, "Lounge", type=2, permission_overwrites=deny)["id"]

    lacking = shoal.run(*asked, f"channel:{voice}", env=env)
    assert lacking.returncode == 0, lacking.stderr
    assert "  text: works" in lacking.stdout
    assert "  voice: missing " in lacking.stdout
    assert "Speak" in lacking.stdout

    text = world.add_channel(discord.guild_id, "plain")["id"]
    report = json.loads(shoal.run(*asked, f"channel:{text}", "--json", env=env).stdout)
    assert set(report["intents"]) == {"messageContent", "guildMembers", "presence"}
    assert report["channel"]["missing"]["text"] == []
    assert "voice" not in report["channel"]["missing"]

    bare = shoal.run("channels", "capabilities", env=env)
    assert (bare.returncode, "intents: messageContent" in bare.stdout) == (0, True)
