"""With a proxy, a process reaches the proxy, Redis and this machine, nobody else (rule R34)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config import load
from shoal.cli.egress import proxy_report, render_proxies
from tests.cli.helpers import bare_env

pytestmark = pytest.mark.waits

TRY = """
import json, os, socket, sys
from pathlib import Path
from shoal.cli.prologue import enter

enter("probe", config=Path(sys.argv[1]), state_dir=Path(sys.argv[2]), account=sys.argv[3] or None)

def reach(host, port):
    with socket.socket() as sock:
        sock.settimeout(0.2)
        try:
            sock.connect((host, port))
        except OSError as error:
            return "tried"
        except Exception as error:
            return type(error).__name__
        return "tried"

def look_up(name):
    try:
        socket.getaddrinfo(name, 443)
    except OSError:
        return "tried"
    except Exception as error:
        return type(error).__name__
    return "tried"

def in_child():
    reading, writing = os.pipe()
    if os.fork() == 0:  # as the children of a prefork pool
        os.write(writing, reach("192.0.2.1", 443).encode())
        os._exit(0)
    os.wait()
    return os.read(reading, 100).decode()

print(json.dumps({
    "proxy": reach("127.0.0.2", 9), "loopback": reach("127.0.0.1", 9), "other port": reach("127.0.0.2", 8),
    "model here": reach("127.0.0.1", 11434), "page": reach("127.0.0.1", 5555),
    "redis": reach("192.0.2.7", 6380),
    "model proxy": reach("192.0.2.9", 3128), "elsewhere": reach("192.0.2.1", 443),
    "child": in_child(),
    "name": look_up("discord.invalid"),
}))
"""

TOKEN = "MTMwMDAwMDAwMDAwMDAwMDAwNA.Shoal0.Yza_9X49TtwpGDLPOpEWbnfYgoLN_hOjA8D4_w"
OTHER = "MTMwMDAwMDAwMDAwMDAwMDAwNQ.Shoal0.Yza_9X49TtwpGDLPOpEWbnfYgoLN_hOjA8D4_w"


def outcome(
    tmp_path: Path, discord: dict[str, Any], *, account: str = "", redis: str = "rediss://192.0.2.7:6380/0"
) -> dict[str, str]:
    config = tmp_path / "shoal.json"
    models = {
        "far": {
            "baseUrl": "https://models.invalid/v1",
            "request": {"proxy": "http://192.0.2.9:3128"},
        },
        "here": {"baseUrl": "http://localhost:11434/v1"},
    }
    config.write_text(
        json.dumps(
            {
                "channels": {"discord": discord},
                "fleet": {"redis": {"url": redis}},
                "models": {"providers": models},
            }
        )
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", TRY, str(config), str(tmp_path / "state"), account],
        env=bare_env(tmp_path), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def test_only_the_proxy_redis_and_what_is_configured_here(tmp_path: Path) -> None:
    answer = outcome(tmp_path, {"token": TOKEN, "proxy": "http://127.0.0.2:9"})
    assert answer == {
        "proxy": "tried",
        "loopback": "EgressRefused",
        "other port": "EgressRefused",
        "model here": "tried",
        "page": "tried",
        "redis": "tried",
        "model proxy": "tried",
        "elsewhere": "EgressRefused",
        "child": "EgressRefused",
        "name": "EgressRefused",
    }
    text = (tmp_path / "state" / "logs" / "egress.jsonl").read_text()
    refusals = [json.loads(line) for line in text.splitlines()]
    assert [line["target"] for line in refusals] == [
        "127.0.0.1:9",
        "127.0.0.2:8",
        "192.0.2.1:443",
        "192.0.2.1:443",
        "discord.invalid",
    ]
    assert {line["process"] for line in refusals} == {"probe"}


def test_without_a_proxy_there_is_no_guard(tmp_path: Path) -> None:
    assert outcome(tmp_path, {"token": TOKEN})["elsewhere"] == "tried"


@pytest.mark.parametrize(("account", "guarded"), [("near", False), ("far", True), ("", False)])
def test_a_process_of_one_account_follows_that_account(tmp_path: Path, account: str, guarded: bool) -> None:
    accounts = {"near": {"token": TOKEN}, "far": {"token": OTHER, "proxy": "socks5h://127.0.0.2:9"}}
    answer = outcome(tmp_path, {"accounts": accounts}, account=account)
    assert answer["elsewhere"] == ("EgressRefused" if guarded else "tried")


def test_local_names_may_be_looked_up_and_nothing_else(tmp_path: Path) -> None:
    discord = {"token": TOKEN, "proxy": "socks5://127.0.0.2:9", "proxyDns": "local"}
    answer = outcome(tmp_path, discord)
    assert (answer["name"], answer["elsewhere"]) == ("tried", "EgressRefused")


def test_a_redis_behind_sentinel_cannot_be_guarded_and_the_log_says_so(tmp_path: Path) -> None:
    discord = {"token": TOKEN, "proxy": "http://127.0.0.2:9"}
    assert outcome(tmp_path, discord, redis="sentinel://192.0.2.7:26379/mine")["elsewhere"] == "tried"
    assert "no egress guard" in (tmp_path / "state" / "logs" / "shoal.log").read_text()


def report_of(tmp_path: Path, discord: dict[str, Any], **env: str) -> tuple[dict[str, Any], str]:
    config = tmp_path / "shoal.json"
    config.write_text(json.dumps({"channels": {"discord": discord}}))
    loaded = load(config, env=env, state_dir=tmp_path / "state")
    report = proxy_report(loaded)
    return report, "\n".join(render_proxies(report))


def test_status_names_the_legs_that_no_proxy_exempts(tmp_path: Path) -> None:
    env = {"ALL_PROXY": "socks5h://u:hunter2-hunter2@p:1", "NO_PROXY": "discord.com"}
    report, text = report_of(tmp_path, {"token": TOKEN}, **env)
    assert report["accounts"]["default"]["direct"] == ["REST"]
    assert "default: socks5h://p:1/ from ALL_PROXY; NO_PROXY exempts REST" in text
    assert "on, 0 refused" in text
    assert "hunter2" not in text
    env["NO_PROXY"] = "discord.gg,.discordapp.com,googleapis.com:443"
    report, _ = report_of(tmp_path, {"token": TOKEN}, **env)
    assert report["accounts"]["default"]["direct"] == ["gateway", "downloads", "uploads"]


def test_no_proxy_says_nothing_beside_a_proxy_of_the_file(tmp_path: Path) -> None:
    discord = {"token": TOKEN, "proxy": "http://p:1"}
    report, text = report_of(tmp_path, discord, NO_PROXY="*", HTTPS_PROXY="http://q:1")
    assert report["accounts"]["default"] == {
        "proxy": "http://p:1/",
        "source": "channels.discord.proxy",
        "direct": [],
    }
    assert "NO_PROXY" not in text


def test_status_shows_what_was_refused_and_why_there_is_no_guard(tmp_path: Path) -> None:
    record = tmp_path / "state" / "logs" / "egress.jsonl"
    record.parent.mkdir(parents=True)
    record.write_text('{"what": "connect", "target": "192.0.2.1:443", "process": "turns"}\n{"cut')
    _, text = report_of(tmp_path, {"token": TOKEN, "proxy": "http://p:1"})
    assert "2 refused" in text
    accounts = {"near": {"token": TOKEN}, "far": {"token": OTHER, "proxy": "http://p:1"}}
    _, text = report_of(tmp_path, {"accounts": accounts})
    assert "none in workers: without a proxy: near" in text
    assert report_of(tmp_path, {"token": TOKEN})[1].startswith("  last")
