"""What doctor finds in Redis: facts, processes, records, what became of messages (decision 46)."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.base.ids import new_token
from shoal.cli.doctor import configuration
from shoal.discord.errors import CloudflareBlocked, Unauthorized
from shoal.discord.limiter import Limiter, Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.effects import Pair, PairReply
from shoal.state.embedded import EmbeddedServer
from shoal.state.keys import PREFIX
from shoal.state.personas import Persona
from shoal.state.records import Failure, Grant, Record
from shoal.state.store import Store
from tests.cli.doctor.support import GUILD, ROOM, TOKEN, Examine, bot, known_guild
from tests.cli.helpers import Shoal
from tests.state.support import MESSAGE


def test_permissions_that_are_missing(look: Examine, server: Store) -> None:
    config = bot(guilds={GUILD: {"users": ["1"], "channels": {ROOM: {}}}})
    known_guild(server, 1 << 10)
    finding = look(config)["permission-missing"]
    assert finding.severity == "critical"
    assert "Send Messages" in finding.found
    assert "#talk" in finding.found
    known_guild(server, (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15) | (1 << 16))
    assert "permission-missing" not in look(config)


def test_agents_with_a_name_of_their_own_need_webhooks(look: Examine, server: Store) -> None:
    """``spec/outbound.md`` 3.14: asked for only where an agent is bound."""
    known_guild(server, 1 << 10)
    assert "persona-permission" not in look(bot())
    server.personas.bind("default", "601", Persona(ROOM, "scout"))  # a thread: the webhook is its parent's
    finding = look(bot())["persona-permission"]
    assert finding.severity == "warn"
    assert "Manage Webhooks in #talk" in finding.found
    known_guild(server, 1 << 10 | 1 << 29)
    assert "persona-permission" not in look(bot())


def test_a_listed_server_the_bot_is_not_in(look: Examine, server: Store) -> None:
    known_guild(server, 0)
    assert "777" in look(bot(guilds={"777": {"users": ["1"]}}))["guild-not-joined"].found


def test_a_healthy_store_is_silent_and_no_fleet_is_a_note(look: Examine, server: Store) -> None:
    found = look(bot())
    assert found["fleet-down"].severity == "info"
    assert not [name for name in found if name.startswith("redis")]


def test_redis_that_may_lose_writes(look: Examine, server: Store) -> None:
    server.redis.config_set("appendfsync", "everysec")
    assert "up to 2 s may be lost" in look(bot())["redis-durability"].found
    server.redis.config_set("maxmemory-policy", "allkeys-lru")
    assert look(bot())["redis-unsuitable"].severity == "critical"


def test_a_configured_redis_that_is_away(look: Examine) -> None:
    finding = look({**bot(), "fleet": {"redis": {"url": "redis://127.0.0.1:1/0"}}})["redis-away"]
    assert finding.severity == "critical"


def test_a_missing_kind_of_worker(look: Examine, server: Store) -> None:
    server.processes.announce("front", "h", 1)
    finding = look(bot())["process-missing"]
    assert "back, gateway, turns" in finding.found


def test_a_token_that_only_the_running_fleet_has(look: Examine, server: Store) -> None:
    """Started with the token in its own environment: this terminal has none, and nothing is broken."""
    server.processes.announce("gateway", "h", 1, info={"account": "default"})
    found = look({})
    assert "account-missing" not in found
    assert found["account-token-elsewhere"].severity == "warn"
    assert ".env" in found["account-token-elsewhere"].fix


def test_a_process_that_gave_up(look: Examine, tmp_path: Path) -> None:
    from shoal.cli.fleet.layout import Layout

    layout = Layout(tmp_path / "state")
    layout.prepare()
    layout.write_fatal("gateway.default", "Discord refused the bot token.")
    assert "Discord refused the bot token" in look(bot())["process-gave-up"].found


def test_dead_records(look: Examine, server: Store) -> None:
    server.lanes.push("delivery:default:1", Record("m:1", "send", b"{}"))
    for _ in range(3):
        grant = server.lanes.acquire("delivery:default:1", new_token())
        assert isinstance(grant, Grant)
        server.lanes.fail(grant, Failure.HANDLED, code="bad-thing", reason="x", delay_ms=0)
    finding = look(bot())["dead-records"]
    assert "1 deliveries" in finding.found
    assert "bad-thing" in finding.found


def test_work_that_takes_long(look: Examine, server: Store) -> None:
    old = server.now_ms() - 20 * 60_000
    server.lanes.push("session:agent:main:main", Record("m:1", "turn", b"{}", born=old))
    found = look(bot())
    assert "20 min" in found["turn-long"].found
    assert "session:agent:main:main" in found["lane-waiting"].found


def test_a_token_the_fleet_has_set_aside(
    look: Examine, server: Store, tmp_path: Path, discord: Simulator, shoal: Shoal
) -> None:
    """Latched by the real limiter after a real 401; doctor and status say so."""
    assert "token-latched" not in look(bot())
    transport = Transport("default", SecretStr(TOKEN), limiter=Limiter(server), api_url=discord.api_url)
    with pytest.raises(Unauthorized):
        Rest(transport).get_current_user()
    transport.close()
    finding = look(bot())["token-latched"]
    assert finding.severity == "critical"
    assert re.search(r"for another \d+ s", finding.found)
    said = shoal.run("status", "--state-dir", str(tmp_path / "state"), env={"DISCORD_BOT_TOKEN": ""})
    assert "Limits     default: Discord refused the token (401); it is not used for another" in said.stdout


@pytest.mark.parametrize(("refused", "who"), [(5_000, "background work waits"), (8_000, "nothing is sent")])
def test_too_many_refused_requests(look: Examine, server: Store, refused: int, who: str) -> None:
    """The breaker of rule R29 has opened: everybody waits, and doctor and status say for what."""
    assert "refused-requests" not in look(bot())
    transport = Transport("default", SecretStr(TOKEN), limiter=Unlimited())
    bad = f"{PREFIX}rl:e.{transport.scope.egress}:bad"
    transport.close()
    server.redis.hset(bad, str(server.now_ms() // 60_000), refused - 1)
    server.redis.hset(bad, str(server.now_ms() // 60_000 - 11), 9_000)  # long ago
    before = look(bot()).get("refused-requests")
    assert before is None or who not in before.found
    server.redis.hincrby(bad, str(server.now_ms() // 60_000), 1)
    finding = look(bot())["refused-requests"]
    assert finding.severity == "critical"
    assert f"{refused} requests were refused" in finding.found
    assert who in finding.found


def test_an_address_that_cloudflare_blocks(
    look: Examine, server: Store, tmp_path: Path, discord: Simulator, shoal: Shoal
) -> None:
    """A real 1015 page, met by the real limiter: ``spec/fleet.md`` 3.1; told by doctor and status."""
    assert "address-banned" not in look(bot())
    discord.control.fault("status", status=429, html=True, route="GET /users/@me")
    transport = Transport("default", SecretStr(TOKEN), limiter=Limiter(server), api_url=discord.api_url)
    with pytest.raises(CloudflareBlocked):
        Rest(transport, retry=NO_RETRY).get_current_user()
    transport.close()
    finding = look(bot())["address-banned"]
    assert finding.severity == "critical"
    assert re.search(r"nothing is sent for another (5\d|60) s", finding.found)
    said = shoal.run("status", "--state-dir", str(tmp_path / "state"), env={"DISCORD_BOT_TOKEN": ""})
    assert "Limits     default: Cloudflare" in said.stdout, said.stderr


def test_status_names_what_is_in_quarantine(server: Store, tmp_path: Path, shoal: Shoal) -> None:
    """R13: a record whose holders died twice runs alone; people see which, and that it is no dead one yet."""
    lane = "session:agent:main:main"
    server.lanes.push(lane, Record("m:1", "turn", b"{}"))
    for _ in range(2):
        assert isinstance(server.lanes.acquire(lane, new_token(), ttl_ms=100), Grant)
        time.sleep(0.11)
        server.lanes.sweep("session")
    said = shoal.run("status", "--state-dir", str(tmp_path / "state"), env={"DISCORD_BOT_TOKEN": ""})
    assert f"Quarantine {lane}: 2 processes died with its next record" in said.stdout, said.stderr
    assert "Dead       0" in said.stdout


def test_a_pairing_reply_that_failed_and_those_who_wait(look: Examine, server: Store) -> None:
    server.lanes.push("inbound:default:1", Record("m", "MESSAGE_CREATE", b"{}"))
    grant = server.lanes.acquire("inbound:default:1", new_token())
    assert isinstance(grant, Grant)
    notice = Record("notice", "send", b"{}")
    pair = Pair("default", "77", '{"name":"Zoe"}', MESSAGE, "delivery:default:1", notice, codes=("ABCDEFGH",))
    server.lanes.checkpoint(grant, 1, [pair])
    server.lanes.commit(grant, [PairReply("default", "77", "notice", "failed:discord-dm-blocked-50007")])
    found = look(bot())
    assert "Zoe (77)" in found["pairing-reply-failed"].found
    assert "Privacy Settings" in found["pairing-reply-failed"].fix
    assert found["pairing-waiting"].severity == "info"
    assert not [each for each in found.values() if "ABCDEFGH" in f"{each.found}{each.fix}"]


def with_model(**discord: Any) -> dict[str, Any]:
    models = {
        "providers": {"mine": {"baseUrl": "http://127.0.0.1:1", "apiKey": "k" * 9, "models": [{"id": "m"}]}}
    }
    return {**bot(**discord), "models": models, "agents": {"defaults": {"model": {"primary": "mine/m"}}}}


def test_private_replies_with_and_without_evidence(look: Examine, server: Store) -> None:
    assert "private-replies" not in look(bot())  # the built-in guide shows its answers
    assert look(with_model())["private-replies"].severity == "info"
    server.ledger.close("default", MESSAGE, "answered", "private-final")  # type: ignore[arg-type]
    finding = look(with_model())["private-replies"]
    assert finding.severity == "warn"
    assert "1 turns ended with words that nobody saw" in finding.found
    visible = {**with_model(), "messages": {"groupChat": {"visibleReplies": "automatic"}}}
    assert "private-replies" not in look(visible)


def test_why_messages_were_left_unanswered(look: Examine, server: Store) -> None:
    for number, reason in enumerate(("guild-not-listed", "guild-not-listed", "own-message")):
        server.ledger.close("default", str(int(MESSAGE) + number), "dropped", reason)  # type: ignore[arg-type]
    finding = look(bot())["messages-blocked"]
    assert "2 × guild-not-listed" in finding.found
    assert "own-message" not in finding.found


def test_a_full_disk(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1))
    assert look(bot())["disk-full"].severity == "critical"


def test_an_agent_whose_home_is_gone_and_hosts_without_their_files(
    look: Examine, server: Store, tmp_path: Path
) -> None:
    """R25: what waits for another host, and turns that cannot see what people send."""
    apart = {**bot(), "fleet": {"redis": {"url": EmbeddedServer(tmp_path / "state").url()}}}
    server.processes.announce("turns", "host-a", 1)
    server.homes.put("main", "host-b")
    found = look(bot())
    assert "Agent main lives on host-b" in found["agent-home-gone"].found
    assert "files-out-of-reach" not in found, "with the embedded server all have one disk"
    assert "host-a" in look(apart)["files-out-of-reach"].found
    server.processes.announce("back", "host-a", 2)
    server.homes.put("main", "host-a")
    assert not {"agent-home-gone", "files-out-of-reach"} & set(look(apart))
