"""``shoal channels list``, ``status`` and ``logs`` on the real command (``spec/outbound.md`` 10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.schema.discord import DiscordConfig
from shoal.cli.channels.logs import last_lines
from shoal.cli.channels.probe import audit, intents_of, places_of, probe
from shoal.cli.channels.status import failed, render
from shoal.discord.limiter import Unlimited
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from tests.cli.helpers import Shoal

P = Permission
Json = dict[str, Any]


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False}) as running:
        yield running


@pytest.fixture
def rest(discord: Simulator) -> Iterator[Rest]:
    transport = Transport("default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url)
    yield Rest(transport, retry=NO_RETRY)
    transport.close()


def denied(guild: str, *bits: Permission) -> list[Json]:
    return [{"id": guild, "type": 0, "allow": "0", "deny": str(int(bit))} for bit in bits]


def settings(discord: Simulator, channels: Json, voice: str = "") -> DiscordConfig:
    raw: Json = {"guilds": {discord.guild_id: {"channels": channels}}}
    if voice:
        raw["voice"] = {"autoJoin": [{"guildId": discord.guild_id, "channelId": voice}]}
    return DiscordConfig.model_validate(raw)


def test_the_audit_names_what_is_missing_where(discord: Simulator, rest: Rest) -> None:
    """Text, threads and voice want different things; hidden channels and lost ones are told apart."""
    world, guild = discord.control, discord.guild_id
    good = str(world.add_channel(guild, "good")["id"])
    mute = str(world.add_channel(guild, "mute", overwrites=denied(guild, P.SEND_MESSAGES))["id"])
    hidden = str(world.add_channel(guild, "hidden", overwrites=denied(guild, P.VIEW_CHANNEL))["id"])
    thread = str(world.create_thread(mute, "below")["id"])
    lounge = str(world.add_channel(guild, "Lounge", type=2, overwrites=denied(guild, P.SPEAK))["id"])
    config = settings(discord, {good: {}, mute: {}, hidden: {}, thread: {}, "900000000000000001": {},
                                "by-name": {}, "*": {}, "off": {"enabled": False}}, lounge)  # fmt: skip

    found = audit(rest, config, 10_000)
    assert (found["ok"], found["checkedChannels"], found["unresolvedChannels"]) == (False, 6, 1)
    rows = {one["channelId"]: one for one in found["channels"]}
    assert (rows[good]["ok"], rows[good]["missing"], rows[good]["name"]) == (True, [], "good")
    assert (rows[mute]["ok"], rows[mute]["missing"]) == (False, ["Send Messages"])
    assert (rows[thread]["ok"], rows[thread]["missing"]) == (True, [])
    assert rows[lounge]["missing"] == ["Speak"]
    assert (rows[hidden]["missing"], rows[hidden]["ok"]) == (["View Channel"], False)
    assert "no such channel" in rows["900000000000000001"]["error"]
    assert places_of(config)[0][lounge] == "voice"
    assert audit(rest, settings(discord, {good: {}}), 10_000)["ok"] is True


def test_a_probe_tells_the_bot_and_its_intents(discord: Simulator, rest: Rest) -> None:
    found = probe(rest, 10_000)
    assert (found["ok"], found["bot"]["id"]) == (True, discord.bot_id)
    assert set(found["application"]["intents"]) == {"messageContent", "guildMembers", "presence"}
    assert intents_of({"flags": 1 << 18 | 1 << 15}) == {
        "messageContent": "enabled", "guildMembers": "limited", "presence": "disabled",
    }  # fmt: skip


def test_a_probe_has_an_end(discord: Simulator, rest: Rest) -> None:
    """``--timeout`` counts for the account, not for each request."""
    discord.control.fault("delay", route="GET /users/@me", seconds=5, count=1)
    late = probe(rest, 100)
    discord.control.clear_faults()
    assert (late["ok"], late["elapsedMs"] < 3_000) == (False, True)
    good = str(discord.control.add_channel(discord.guild_id, "good")["id"])
    unseen = audit(rest, settings(discord, {good: {}}), 0)
    assert [one["error"] for one in unseen["channels"]] == ["there was no time left to look at it"]


def test_one_line_for_each_account_and_what_is_wrong_below() -> None:
    account = {"accountId": "work", "name": "Work", "enabled": True, "configured": True,
               "canRun": True, "tokenSource": "config", "reason": "", "fix": "", "running": True,
               "connected": True}  # fmt: skip
    asked = {
        "probe": {"ok": True, "elapsedMs": 40, "bot": {"id": "1", "username": "shoal"},
                  "application": {"id": "1", "intents": {"messageContent": "limited"}}},
        "audit": {"ok": False, "elapsedMs": 3, "checkedChannels": 2, "unresolvedChannels": 1, "channels": [
            {"channelId": "7", "name": "talk", "ok": False, "missing": ["Send Messages", "View Channel"]},
            {"channelId": "8", "ok": False, "error": "there is no such channel"}]},
    }  # fmt: skip
    off = {**account, "accountId": "old", "name": None, "enabled": False, "canRun": False, "running": False,
           "connected": False, "reason": "It is switched off.", "fix": "Set enabled: true."}  # fmt: skip
    report = {"gatewayReachable": True, "channelAccounts": {"discord": [{**account, **asked}, off]}}
    assert render(report).splitlines() == [
        "- Discord work (Work): enabled, configured, token from config, running, connected, works, "
        "audit failed",
        "    bot shoal (1), 40 ms",
        "    intents: messageContent limited",
        "    #talk (7): missing Send Messages, View Channel",
        "    channel 8: there is no such channel",
        "    1 channels are named by name and were not looked at; `shoal channels resolve` tells their ids",
        "- Discord old: disabled, configured, token from config. It is switched off. Set enabled: true.",
    ]
    assert failed(report) is True
    assert failed({"channelAccounts": {"discord": [account, off]}}) is False


@pytest.mark.slow
def test_the_lines_of_the_manuals(shoal: Shoal, discord: Simulator) -> None:
    """``channels status --probe`` with the gateway away: what the config says, and what Discord answers."""
    env = {"DISCORD_BOT_TOKEN": discord.token, "SHOAL_DISCORD_API_URL": discord.api_url}
    bare = shoal.run("channels", "list")
    assert (bare.returncode, "No Discord account can run." in bare.stdout) == (0, True)
    listed = shoal.run("channels", "list", "--all", env=env)
    assert listed.stdout == "- Discord default: enabled, configured, token from env\n"

    plain = shoal.run("channels", "status", env=env)
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.startswith("No gateway is running; this is what the config says.")
    assert "stopped" in plain.stdout
    assert discord.control.requests() == [] or "works" not in plain.stdout

    asked = shoal.run("channels", "status", "--probe", "--channel", "discord", "--timeout", "9000", env=env)
    assert (asked.returncode, "works, audit ok" in asked.stdout) == (0, True), asked.stdout
    bad = shoal.run("channels", "status", "--probe", "--json", env={**env, "DISCORD_BOT_TOKEN": "a.b.c"})
    assert bad.returncode == 1
    [account] = json.loads(bad.stdout)["channelAccounts"]["discord"]
    assert (account["probe"]["ok"], "401" in account["probe"]["error"]) == (False, True)
    assert "audit" not in account


def test_the_log_from_its_end(tmp_path: Path) -> None:
    """Rotated files follow each other; a traceback stays below its line; other processes are left out."""
    stamp = "2026-05-01T10:00:0{}.000000 [info     ] {}"
    (tmp_path / "shoal.log.1").write_text(stamp.format(0, "one process=gateway") + "\n")
    newest = [stamp.format(1, "two process=back@host"), stamp.format(2, "tick process=beat"),
              stamp.format(3, "broke process=front@host"), "Traceback", "  at x"]  # fmt: skip
    (tmp_path / "shoal.log").write_text("\n".join(newest) + "\n")
    words = [
        line.split()[-2] if "process" in line else line for line in last_lines(tmp_path, 10, everything=False)
    ]
    assert words == ["one", "two", "broke", "Traceback", "  at x"]
    assert "tick" in "".join(last_lines(tmp_path, 10, everything=True))
    assert [line.split()[-2] for line in last_lines(tmp_path, 4, everything=False)[:1]] == ["two"]
    assert last_lines(tmp_path / "none", 10, everything=True) == []


def test_a_long_log_is_read_in_pieces(tmp_path: Path) -> None:
    lines = [
        f"2026-05-01T10:00:00 [info     ] line {number} {'x' * 200} process=back" for number in range(5_000)
    ]
    (tmp_path / "shoal.log").write_text("\n".join(lines))
    assert last_lines(tmp_path, 4_000, everything=False) == lines[-4_000:]
    assert last_lines(tmp_path, 100_000, everything=False) == lines
