"""With a proxy, a process reaches the proxy, Redis and this machine, nobody else (rule R34)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import bare_env

TRY = """
import json, socket, sys
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

print(json.dumps({
    "proxy": reach("127.0.0.2", 9), "loopback": reach("127.0.0.1", 9), "redis": reach("192.0.2.7", 6380),
    "model proxy": reach("192.0.2.9", 3128), "elsewhere": reach("192.0.2.1", 443),
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
        }
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


def test_only_the_proxy_redis_and_this_machine(tmp_path: Path) -> None:
    answer = outcome(tmp_path, {"token": TOKEN, "proxy": "http://127.0.0.2:9"})
    assert answer == {
        "proxy": "tried",
        "loopback": "tried",
        "redis": "tried",
        "model proxy": "tried",
        "elsewhere": "EgressRefused",
        "name": "EgressRefused",
    }
    refusals = (tmp_path / "state" / "logs" / "egress.jsonl").read_text().splitlines()
    assert [json.loads(line)["target"] for line in refusals] == ["192.0.2.1:443", "discord.invalid"]


def test_without_a_proxy_there_is_no_guard(tmp_path: Path) -> None:
    assert outcome(tmp_path, {"token": TOKEN})["elsewhere"] == "tried"


@pytest.mark.parametrize(("account", "guarded"), [("near", False), ("far", True), ("", False)])
def test_a_process_of_one_account_follows_that_account(tmp_path: Path, account: str, guarded: bool) -> None:
    accounts = {"near": {"token": TOKEN}, "far": {"token": OTHER, "proxy": "socks5h://127.0.0.2:9"}}
    answer = outcome(tmp_path, {"accounts": accounts}, account=account)
    assert answer["elsewhere"] == ("EgressRefused" if guarded else "tried")


def test_local_names_cannot_be_guarded(tmp_path: Path) -> None:
    discord = {"token": TOKEN, "proxy": "socks5://127.0.0.2:9", "proxyDns": "local"}
    assert outcome(tmp_path, discord)["elsewhere"] == "tried"
    assert "no egress guard" in (tmp_path / "state" / "logs" / "shoal.log").read_text()
