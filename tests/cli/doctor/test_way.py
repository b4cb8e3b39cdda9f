"""The way to Discord, every row of the proxy guide's table, and Discord's own side (decision 46)."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.base.errors import TransportError
from shoal.cli.doctor import probes
from shoal.cli.doctor.check import Patient
from shoal.cli.doctor.examine import CHECKS
from shoal.cli.doctor.probes import Probe
from shoal.discord.troubles import TROUBLES
from shoal.simulator.server import Simulator
from tests.cli.doctor.support import Examine, bot
from tests.discord.support.net import PROXY_ADDRESS, TcpServer
from tests.discord.support.proxies import ProxyServer


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
        ("log.warning('an answer was not read aloud', reason='no')", "speech-unheard", "1 answers"),
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


def test_a_clock_that_is_wrong(look: Examine, discord: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    late = SimpleNamespace(time=lambda: time.time() - 120)
    monkeypatch.setattr(probes, "time", late)
    finding = look(bot(token=discord.token), probe=True, api=discord.api_url)["clock-skew"]
    assert re.search(r"1[12]\d s behind", finding.found)
