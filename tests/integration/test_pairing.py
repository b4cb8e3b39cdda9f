"""Pairing through every process of a real fleet: from a stranger's first DM to the first answer."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from bench.fleet import FleetUnderTest

pytestmark = pytest.mark.slow

MakeFleet = Callable[..., FleetUnderTest]
CODE = re.compile(r"```\nshoal pairing approve discord ([A-HJ-NP-Z2-9]{8})\n```")
PAIRING = {"channels": {"discord": {"dmPolicy": "pairing", "allowFrom": ["1"]}}}


@pytest.mark.timeout(240)
def test_from_the_first_dm_to_the_first_answer(make_fleet: MakeFleet) -> None:
    """Request, reply, status, approval of a running fleet, notification, answer; kills in between."""
    fleet = make_fleet(PAIRING)
    stranger = fleet.control.add_user("stranger", guilds=[fleet.guild["id"]])["id"]
    asked = fleet.control.dm("hello?", user=stranger)
    channel = asked["channel_id"]
    reply = fleet.control.wait_for_message(channel, after=asked["id"], timeout=20)
    found = CODE.search(reply["content"])
    assert found, reply["content"]
    code = found.group(1)
    assert stranger in reply["content"]

    for pid in fleet.pids("worker", "front"):
        os.kill(pid, signal.SIGKILL)
    again = fleet.control.dm("hello??", user=stranger)
    _wait_for_outcome(fleet, again["id"], ("pairing", "waiting"))
    assert _outcome(fleet, asked["id"]) == ("pairing", "requested")
    assert [message["id"] for message in fleet.bot_messages(channel, asked["id"])] == [reply["id"]]
    assert "1 waiting" in fleet.shoal("status").stdout

    approved = fleet.shoal("pairing", "approve", "discord", code, "--notify")
    assert approved.returncode == 0, approved.stderr
    told = fleet.control.wait_for_message(channel, after=again["id"], timeout=20)
    assert "approved" in told["content"]

    fleet.models.script([{"text": ["Hello, you."]}])
    said = fleet.control.dm("and now?", user=stranger)
    answer = fleet.control.wait_for_message(channel, after=said["id"], timeout=20)
    assert answer["content"] == "Hello, you."
    _wait_for_outcome(fleet, said["id"], ("answered", ""))
    _in_a_guild_nothing_has_changed(fleet, stranger)
    _the_code_was_seen_by_nobody_else(fleet, code)


def _outcome(fleet: FleetUnderTest, message_id: str) -> tuple[str | None, str]:
    told = fleet.shoal("explain", message_id, "--json")
    story = json.loads(told.stdout)
    return story.get("outcome"), story.get("reason", "")


def _wait_for_outcome(fleet: FleetUnderTest, message_id: str, wanted: tuple[str, str]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if _outcome(fleet, message_id) == wanted:
            return
        time.sleep(0.2)
    raise AssertionError(f"{message_id}: {_outcome(fleet, message_id)}, wanted {wanted}")


def _in_a_guild_nothing_has_changed(fleet: FleetUnderTest, stranger: str) -> None:
    said = fleet.control.say("general", f"<@{fleet.bot['id']}> hi", user=stranger)
    _wait_for_outcome(fleet, said["id"], ("dropped", "sender-not-listed"))


def _the_code_was_seen_by_nobody_else(fleet: FleetUnderTest, code: str) -> None:
    """Not by a log, Flower, explain or a file of the fleet (``spec/rules.md``, last table, row 8)."""
    import requests

    session = requests.Session()
    session.trust_env = False
    port = json.loads(fleet.config_path.read_text())["fleet"]["flower"]["port"]
    password = (fleet.state_dir / "flower.password").read_text().strip()
    tasks = session.get(f"http://127.0.0.1:{port}/api/tasks", auth=("shoal", password), timeout=10).text
    assert "inbound.admit" in tasks
    assert code not in tasks
    files = [path for path in (fleet.state_dir / "logs").rglob("*") if path.is_file()]
    files += [path for path in (fleet.state_dir / "fleet").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert code.encode() not in path.read_bytes(), path
