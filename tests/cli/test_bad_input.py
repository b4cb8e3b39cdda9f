"""What people get wrong: one clear line with the fix, a documented exit code, nothing lost."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.simulator.server import Simulator
from shoal.state.embedded import EmbeddedServer
from tests.cli.helpers import Shoal, wait_for

pytestmark = pytest.mark.slow

DISALLOWED = 1 << 15  # message content


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    """One simulated Discord for the module."""
    with Simulator() as simulator:
        yield simulator


def online(discord: Simulator, token: str | None = None) -> dict[str, str]:
    """Environment of a fleet that talks to the simulator."""
    return {
        "SHOAL_DISCORD_API_URL": discord.api_url,
        "DISCORD_BOT_TOKEN": token if token is not None else discord.token,
    }


def write_config(shoal: Shoal, text: str) -> Path:
    shoal.state_dir.mkdir(parents=True, exist_ok=True)
    path = shoal.state_dir / "shoal.json"
    path.write_text(text)
    return path


def quiet_monitor(shoal: Shoal, **more: object) -> None:
    """A config without Flower, so that tests do not meet at its port."""
    write_config(shoal, json.dumps({"fleet": {"flower": {"enabled": False}}, **more}))


def test_no_token(shoal: Shoal) -> None:
    done = shoal.run("up")
    assert done.returncode == 78
    assert "DISCORD_BOT_TOKEN" in done.stderr
    assert "shoal demo" in done.stderr
    assert not (shoal.state_dir / "fleet").exists(), "something was started"


def test_broken_json5(shoal: Shoal) -> None:
    path = write_config(shoal, '{ channels: { discord: { token: "x", } \n')
    done = shoal.run("up")
    assert done.returncode == 78
    assert str(path) in done.stderr
    assert re.search(r"line \d", done.stderr)


def test_yaml(shoal: Shoal) -> None:
    write_config(shoal, "channels:\n  discord:\n    token: x\n")
    done = shoal.run("up")
    assert done.returncode == 78
    assert "JSON5" in done.stderr


def test_every_problem_of_a_file_at_once(shoal: Shoal) -> None:
    write_config(
        shoal,
        '{ channels: { discord: { dmPolcy: "open", groupPolicy: "sometimes" } }, fleet: { hots: "x" } }',
    )
    done = shoal.run("up")
    assert done.returncode == 78
    for word in ("dmPolcy", "dmPolicy", "sometimes", "hots", "host"):
        assert word in done.stderr


def test_validate_says_the_same_for_programs(shoal: Shoal) -> None:
    write_config(shoal, '{ channels: { discord: { dmPolcy: "open" } } }')
    done = shoal.run("config", "validate", "--json")
    assert done.returncode == 78
    answer = json.loads(done.stdout)
    assert answer["valid"] is False
    assert [issue["path"] for issue in answer["issues"]] == ["channels.discord.dmPolcy"]


def test_validate_says_what_an_account_lacks_and_where_to_put_it(shoal: Shoal) -> None:
    write_config(shoal, "{}")
    done = shoal.run("config", "validate")
    assert done.returncode == 0
    assert "account default: Discord bot token missing" in done.stdout
    assert "DISCORD_BOT_TOKEN" in done.stdout


def test_a_folder_where_the_file_should_be(shoal: Shoal) -> None:
    (shoal.state_dir / "shoal.json").mkdir(parents=True)
    done = shoal.run("config", "validate")
    assert done.returncode == 78
    assert "found a folder" in done.stderr


def test_redis_down(shoal: Shoal) -> None:
    quiet_monitor(shoal)
    done = shoal.run("up", env={"DISCORD_BOT_TOKEN": "x" * 60, "SHOAL_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert done.returncode == 69
    assert "Redis" in done.stderr
    assert "127.0.0.1:1" in done.stderr, "which Redis?"


def test_redis_that_evicts(shoal: Shoal, tmp_path: Path) -> None:
    quiet_monitor(shoal)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = EmbeddedServer(tmp_path / "other", port=port)
    server.start()
    try:
        from shoal.state.store import Store

        store = Store.open(server.tcp_url())
        store.redis.config_set("maxmemory-policy", "allkeys-lru")
        store.close()
        env = {"DISCORD_BOT_TOKEN": "x" * 60, "SHOAL_REDIS_URL": server.tcp_url()}
        done = shoal.run("up", env=env)
    finally:
        server.stop()
    assert done.returncode == 78
    assert "noeviction" in done.stderr
    assert server.password().get_secret_value() not in done.stderr


def test_flowers_port_is_taken(shoal: Shoal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        write_config(shoal, json.dumps({"fleet": {"flower": {"port": port}}}))
        done = shoal.run("up", env={"DISCORD_BOT_TOKEN": "x" * 60})
    assert done.returncode == 78
    assert f"127.0.0.1:{port}" in done.stderr
    assert "fleet.flower.port" in done.stderr


def test_the_simulators_port_is_taken(shoal: Shoal, discord: Simulator) -> None:
    port = discord.url.rsplit(":", 1)[1]
    done = shoal.run("simulator", "--port", port)
    assert done.returncode != 0
    assert done.stderr.startswith(f"error: The simulator cannot listen on 127.0.0.1:{port}")


def test_a_wrong_token_stops_the_fleet(shoal: Shoal, discord: Simulator) -> None:
    quiet_monitor(shoal)
    wrong = "MTMwMDAwMDAwMDAwMDAwMDAwNA.Wrong0.Yza_9X49TtwpGDLPOpEWbnfYgoLN_hOjA8D4_w"
    done = shoal.run("up", env=online(discord, wrong), timeout=90)
    assert done.returncode == 78
    assert "token" in done.stderr.lower()
    assert wrong not in done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), done.stderr


def test_disallowed_intents_stop_the_fleet(shoal: Shoal, discord: Simulator) -> None:
    quiet_monitor(shoal)
    bot = discord.control.add_bot("mute", disallowed_intents=DISALLOWED)
    done = shoal.run("up", env=online(discord, bot["token"]), timeout=90)
    assert done.returncode == 78
    assert "Privileged Gateway Intents" in done.stderr


def test_a_second_up_names_the_first(shoal: Shoal, discord: Simulator) -> None:
    quiet_monitor(shoal)
    bot = discord.control.add_bot("first")
    first = shoal.start("up", env=online(discord, bot["token"]))
    wait_for(lambda: (shoal.state_dir / "fleet" / "supervisord.conf").exists(), "first fleet")
    done = shoal.run("up", env=online(discord, bot["token"]))
    assert done.returncode == 75
    assert f"pid {first.pid}" in done.stderr
    assert first.poll() is None, "the first one must go on"
    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 0


def test_two_gateways_for_one_account(shoal: Shoal, discord: Simulator) -> None:
    bot = discord.control.add_bot("contested")
    server = EmbeddedServer(shoal.state_dir)
    server.start()
    try:
        env = online(discord, bot["token"])
        first = shoal.start("gateway", "--listener-only", env=env)
        discord.control.wait_for_ready(bot["id"], timeout=40)
        done = shoal.run("gateway", "--listener-only", env=env)
        assert done.returncode == 75
        assert "already listened to" in done.stderr
        assert "--force" in done.stderr
        assert first.poll() is None

        taker = shoal.start("gateway", "--listener-only", "--force", env=env)
        assert first.wait(40) == 75, "the first one must leave"
        discord.control.wait_for_ready(bot["id"], timeout=40)
        taker.terminate()
        assert taker.wait(40) == 0
    finally:
        server.stop()


def test_commands_without_a_fleet(shoal: Shoal) -> None:
    for words in (["status"], ["dead", "list"], ["explain", "112233445566778899"]):
        done = shoal.run(*words)
        assert done.returncode == 69
        assert "shoal up" in done.stderr
    assert not (shoal.state_dir / "redis.password").exists(), "looking must not create anything"
