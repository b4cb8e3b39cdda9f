"""``shoal doctor`` finds what the manuals' trouble-shooting and the proxy guide describe (decision 46)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.base.errors import TransportError
from shoal.base.findings import Finding
from shoal.base.ids import new_token
from shoal.cli.doctor import configuration, probes
from shoal.cli.doctor.check import Patient
from shoal.cli.doctor.examine import CHECKS, examine, patient
from shoal.cli.doctor.probes import Probe
from shoal.discord.troubles import TROUBLES
from shoal.simulator.server import Simulator
from shoal.state.effects import Pair, PairReply
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import Failure, Grant, Record
from shoal.state.store import Store
from tests.cli.helpers import Shoal
from tests.discord.support.net import PROXY_ADDRESS, TcpServer
from tests.discord.support.proxies import ProxyServer
from tests.state.support import MESSAGE

GUILD, ROOM, ME = "500", "600", "900"
TOKEN = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"
Examine = Callable[..., dict[str, Finding]]


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    """One simulated Discord, for everybody who asks."""
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """``look({config}, probe=…, api=…)`` → findings by id, as ``shoal doctor`` makes them."""
    for name in list(__import__("os").environ):
        if name.startswith(("SHOAL_", "DISCORD_", "OPENCLAW_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(probes, "TIMEOUT_S", 1.0)
    monkeypatch.chdir(tmp_path)
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)

    def run(config: Any = None, *, probe: bool = False, api: str = "") -> dict[str, Finding]:
        path = state_dir / "shoal.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config or {}))
        path.chmod(0o600)
        if api:
            monkeypatch.setenv("SHOAL_DISCORD_API_URL", api)
        with patient(path, state_dir, probe=probe) as one:
            return {each.id: each for each in examine(one)}

    return run


def bot(**discord: Any) -> dict[str, Any]:
    return {"channels": {"discord": {"token": TOKEN, "guilds": {"500": {"users": ["1"]}}, **discord}}}


# -- the config --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found", "where"),
    [
        ("{ channels: { discord: { token: ", "config-invalid", ""),
        (
            '{channels: {discord: {dmPolicy: "open", allowFrom: ["5"]}}}',
            "dm-open-without-wildcard",
            "allowFrom",
        ),
        ('{channels: {discord: {dmPolicy: "allowlist"}}}', "dm-allowlist-empty", "allowFrom"),
        ("{channels: {discord: {allowFrom: [123456789012345678]}}}", "id-lost-digits", "allowFrom"),
        ("{channels: {discord: {dmPolicy: 'sometimes'}}}", "config-invalid", "dmPolicy"),
    ],
)
def test_a_file_that_does_not_load_is_told_problem_by_problem(
    look: Examine, text: str, found: str, where: str
) -> None:
    finding = look(text)[found]
    assert finding.severity == "critical"
    assert where in finding.where


def test_a_mention_rule_in_the_wrong_place_names_the_right_one(look: Examine) -> None:
    finding = look(bot(requireMention=False))["require-mention-place"]
    assert finding.severity == "warn"
    assert "guilds" in finding.fix


def test_old_shapes_are_offered_to_be_rewritten(look: Examine) -> None:
    finding = look(bot(dm={"policy": "disabled"}))["config-legacy"]
    assert "channels.discord.dmPolicy" in finding.found
    assert "doctor --fix" in finding.fix


def test_accounts_that_cannot_run(look: Examine) -> None:
    assert look({})["account-missing"].severity == "critical"
    two = {"channels": {"discord": {"accounts": {"a": {"token": TOKEN}, "b": {"token": ""}}}}}
    assert look(two)["account-missing"].severity == "warn"
    assert look(bot(token="client-secret"))["token-shape"].severity == "warn"


def test_files_with_secrets_that_others_may_read(look: Examine, tmp_path: Path) -> None:
    assert "file-mode" not in look(bot())
    (tmp_path / "state" / ".env").write_text("A=b")
    (tmp_path / "state" / ".env").chmod(0o644)
    assert "chmod 600" in look(bot())["file-mode"].fix


def test_the_audit_is_part_of_it(look: Examine) -> None:
    assert look(bot(groupPolicy="open"))["group-policy-open"].severity == "warn"


# -- the way to Discord: every row of the proxy guide's table -----------------------------------------


def test_a_healthy_way_is_silent(look: Examine, discord: Simulator) -> None:
    found = look(bot(token=discord.token), probe=True, api=discord.api_url)
    assert [name for name in found if name.startswith(("connection", "token", "intent"))] == []


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind((PROXY_ADDRESS, 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("proxy", "row"),
    [
        (lambda: (f"http://{PROXY_ADDRESS}:{closed_port()}", None), "refused"),
        (lambda: ("http://proxy.invalid:3128", None), "not-found"),
        (lambda: _serving(ProxyServer("http", silent=True)), "timed-out"),
        (lambda: _serving(ProxyServer("http", refuse=403)), "tunnel-refused"),
        (lambda: _serving(ProxyServer("http", user="a", password="b")), "auth"),
        (lambda: _serving(Mailman()), "wrong-scheme"),
    ],
)
def test_a_proxy_that_cannot_be_used(
    look: Examine, proxy: Callable[[], tuple[str, TcpServer | None]], row: str
) -> None:
    url, server = proxy()
    try:
        finding = look(bot(proxy=url), probe=True)[f"connection-{row}"]
    finally:
        if server is not None:
            server.close()
    assert finding.severity == "critical"
    name = next(each.name for each in TROUBLES if each.key == row)
    assert finding.found.startswith(name)
    assert "channels.discord.proxy" in finding.fix


class Mailman(TcpServer):
    """Something that listens where a proxy should, and speaks another language."""

    def __init__(self) -> None:
        super().__init__(PROXY_ADDRESS)

    def serve(self, sock: socket.socket) -> None:
        sock.sendall(b"220 mail.example ESMTP\r\n")
        sock.recv(4096)

    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def _serving(server: Any) -> tuple[str, TcpServer]:
    return server.url(), server


def test_rest_without_an_answer(look: Examine, discord: Simulator) -> None:
    discord.control.fault("delay", route="GET /users/@me", seconds=3.0)
    discord.control.fault("gateway_refuse", count=None)
    try:
        found = look(bot(token=discord.token), probe=True, api=discord.api_url)
    finally:
        discord.control.clear_faults()
    assert found["connection-request-timeout"].found.startswith("Request timeout")


def test_rest_alone_fails(look: Examine, discord: Simulator) -> None:
    """ "fetch failed": messages come in and none goes out."""
    discord.control.fault("refuse", route="GET /users/@me")
    found = look(bot(token=discord.token), probe=True, api=discord.api_url)
    finding = found["connection-fetch-failed"]
    assert finding.severity == "critical"
    assert "discord.com" in finding.fix


def test_the_websocket_alone_fails(look: Examine, discord: Simulator) -> None:
    discord.control.fault("gateway_refuse", count=None)
    try:
        finding = look(bot(token=discord.token), probe=True, api=discord.api_url)["connection-gateway"]
    finally:
        discord.control.clear_faults()
    assert "Failed to connect to Discord gateway" in finding.found
    assert "gateway.discord.gg:443" in finding.fix


def write_log(folder: Path, code: str) -> None:
    """Lines by the fleet's own logging."""
    program = (
        "import sys; from pathlib import Path; from shoal.base.logging import setup_logging, get_logger\n"
        "setup_logging('x@h', state_dir=Path(sys.argv[1])); log = get_logger('x')\n" + code
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("code", "found", "words"),
    [
        (
            "for _ in range(6): log.warning('gateway connection ended', close_code=None, reason='lost')",
            "connection-closed-1006",
            "Disconnected with code 1006: 6 times",
        ),
        (
            "for _ in range(5): log.warning('discord final reply failed: POST: no answer in time.')",
            "connection-request-timeout",
            "Request timeout: 5 times",
        ),
        ("log.warning('Slow listener detected: X took 9 s')", "slow-listener", "1 times"),
        (
            "log.warning('stuck session: sessionKey=agent:main:main state=processing')",
            "stuck-session",
            "1 times",
        ),
        ("log.warning('gateway metadata lookup failed; using x')", "gateway-lookup", "gatewayInfoTimeoutMs"),
        ("log.info('gateway connects', reason='no READY in time')", "gateway-ready", "gatewayReadyTimeoutMs"),
    ],
)
def test_what_the_log_tells(look: Examine, tmp_path: Path, code: str, found: str, words: str) -> None:
    assert found not in look(bot())
    write_log(tmp_path / "state", code)
    finding = look(bot())[found]
    assert words in f"{finding.found} {finding.fix}"


def test_old_lines_of_the_log_do_not_count(look: Examine, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "logs"
    folder.mkdir()
    (folder / "shoal.log").write_text("2020-01-01T10:00:00.1 [warning  ] Slow listener detected: x\n" * 9)
    assert "slow-listener" not in look(bot())


def test_every_row_of_the_table_can_be_found(look: Examine) -> None:
    """Pure: whatever leg an error has, some row speaks."""
    for row in TROUBLES:
        for leg in row.legs:
            error = TransportError(f"leg {leg}", leg=leg)
            one = Patient(paths=None, probes={"default": Probe(rest_error=error, gateway_error=error)})  # type: ignore[arg-type]
            connection = next(check for check in CHECKS if check.id == "connection")
            (finding,) = connection.run(one)
            assert finding.id == f"connection-{row.key}"


# -- Discord's side ----------------------------------------------------------------------------------


def test_a_refused_token(look: Examine, discord: Simulator) -> None:
    finding = look(bot(), probe=True, api=discord.api_url)["token-refused"]
    assert finding.severity == "critical"
    assert "Reset Token" in finding.fix


def test_an_intent_that_is_off(look: Examine) -> None:
    with Simulator() as simulator:
        off = simulator.control.add_bot("off", disallowed_intents=1 << 15)
        finding = look(bot(token=off["token"]), probe=True, api=simulator.api_url)["intent-off"]
    assert finding.severity == "critical"
    assert "Message Content Intent is off" in finding.found
    assert "https://discord.com/developers/applications/" in finding.fix


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Store]:
    """The state dir's own Redis, running."""
    embedded = EmbeddedServer(tmp_path / "state")
    (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
    embedded.start()
    store = Store.open(embedded.url(), client_name="test")
    yield store
    store.close()
    embedded.stop()


def known_guild(store: Store, permissions: int) -> None:
    """What the gateway would have told."""
    store.facts.put_me("default", {"id": ME})
    channel = {"id": ROOM, "name": "talk", "type": 0, "permission_overwrites": []}
    roles = [{"id": GUILD, "permissions": str(permissions)}]
    store.facts.put_guild(
        "default",
        GUILD,
        {"id": GUILD, "name": "Reef", "owner_id": "1", "channels": [channel], "roles": roles},
    )
    store.facts.put("default", "member", GUILD, {"roles": []})


def test_permissions_that_are_missing(look: Examine, server: Store) -> None:
    config = bot(guilds={GUILD: {"users": ["1"], "channels": {ROOM: {}}}})
    known_guild(server, 1 << 10)
    finding = look(config)["permission-missing"]
    assert finding.severity == "critical"
    assert "Send Messages" in finding.found
    assert "#talk" in finding.found
    known_guild(server, (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15) | (1 << 16))
    assert "permission-missing" not in look(config)


def test_a_listed_server_the_bot_is_not_in(look: Examine, server: Store) -> None:
    known_guild(server, 0)
    assert "777" in look(bot(guilds={"777": {"users": ["1"]}}))["guild-not-joined"].found


# -- Redis and what lies in it -----------------------------------------------------------------------


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
    from pydantic import SecretStr

    from shoal.discord.errors import Unauthorized
    from shoal.discord.limiter import Limiter
    from shoal.discord.rest import Rest
    from shoal.discord.transport import Transport

    assert "token-latched" not in look(bot())
    transport = Transport("default", SecretStr(TOKEN), limiter=Limiter(server), api_url=discord.api_url)
    with pytest.raises(Unauthorized):
        Rest(transport).get_current_user()
    transport.close()
    finding = look(bot())["token-latched"]
    assert finding.severity == "critical"
    assert re.search(r"for another \d+ s", finding.found)
    said = shoal.run("status", "--state-dir", str(tmp_path / "state"), env={"DISCORD_BOT_TOKEN": ""})
    assert "Discord refused it (401); not used for another" in said.stdout, said.stderr


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


# -- the command -------------------------------------------------------------------------------------


def write(shoal: Shoal, text: str) -> Path:
    shoal.state_dir.mkdir(mode=0o700, exist_ok=True)
    path = shoal.state_dir / "shoal.json"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_exit_code_tells_whether_something_is_critical(shoal: Shoal) -> None:
    write(shoal, json.dumps(bot()))
    done = shoal.run("doctor", "--offline")
    assert done.returncode == 0, done.stdout
    write(shoal, "{")
    done = shoal.run("doctor", "--offline")
    assert done.returncode == 1
    assert "critical" in done.stdout
    assert shoal.run("security", "audit").returncode == 1


def test_json_for_programs(shoal: Shoal) -> None:
    write(shoal, json.dumps(bot(groupPolicy="open")))
    report = json.loads(shoal.run("doctor", "--offline", "--json").stdout)
    assert report["ok"] is True
    assert {"id", "severity", "found", "fix", "where"} == set(report["findings"][0])
    assert set(report["checks"]) == {check.id for check in CHECKS}
    audit = json.loads(shoal.run("security", "audit", "--json").stdout)
    finding = next(each for each in audit["findings"] if each["checkId"] == "group-policy-open")
    assert set(finding) == {"checkId", "severity", "title", "detail", "remediation"}
    assert audit["summary"]["warn"] >= 1


def test_fix_rewrites_once_keeps_a_backup_and_shows_no_secret(shoal: Shoal) -> None:
    """The manuals' ``doctor --fix``; run again it does nothing."""
    text = (
        "{\n  // the bot\n  channels: { discord: {\n"
        f'    token: "{TOKEN}",\n    dm: {{ policy: "open", allowFrom: ["*"] }},\n'
        '    guilds: { "500": { users: ["1"] } },\n  } },\n}\n'
    )
    path = write(shoal, text)
    path.chmod(0o640)
    done = shoal.run("doctor", "--fix", "--offline")
    assert "channels.discord.dm.policy → channels.discord.dmPolicy" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert "// the bot" in path.read_text()
    assert "dm:" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name("shoal.json.bak").read_text() == text
    after = path.read_text()
    assert "Nothing to rewrite." in shoal.run("doctor", "--repair", "--offline").stdout
    assert path.read_text() == after


def test_fix_leaves_alone_what_it_must_not_touch(shoal: Shoal) -> None:
    """Decision 3: reported with the fix to choose, never chosen."""
    path = write(shoal, '{channels: {discord: {dmPolicy: "open", allowFrom: ["5"]}}}')
    before = path.read_text()
    done = shoal.run("doctor", "--fix", "--offline")
    assert done.returncode == 1
    assert "correct them first" in done.stdout
    assert 'add "*"' in done.stdout
    assert path.read_text() == before
    (shoal.state_dir / "more.json").write_text('{"dm": {"policy": "disabled"}}')
    path = write(shoal, '{channels: {discord: {$include: "./more.json"}}}')
    before = path.read_text()
    assert "includes other files (more.json)" in shoal.run("doctor", "--fix", "--offline").stdout
    assert path.read_text() == before


def test_plain_doctor_writes_nothing(shoal: Shoal) -> None:
    path = write(shoal, json.dumps(bot(dm={"policy": "disabled"})))
    before = sorted(item.name for item in shoal.state_dir.rglob("*"))
    text = path.read_text()
    shoal.run("doctor", "--offline")
    assert path.read_text() == text
    assert sorted(item.name for item in shoal.state_dir.rglob("*")) == before


# -- what lately became of messages ------------------------------------------------------------------


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


def test_a_clock_that_is_wrong(look: Examine, discord: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    late = SimpleNamespace(time=lambda: time.time() - 120)
    monkeypatch.setattr(probes, "time", late)
    finding = look(bot(token=discord.token), probe=True, api=discord.api_url)["clock-skew"]
    assert re.search(r"1[12]\d s behind", finding.found)


def test_a_full_disk(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1))
    assert look(bot())["disk-full"].severity == "critical"
