"""One message in, one answer out, through every process of a real fleet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from bench.fleet import FleetUnderTest

pytestmark = pytest.mark.slow

MakeFleet = Callable[..., FleetUnderTest]


@pytest.mark.timeout(240)
def test_the_whole_way_through_a_real_fleet(make_fleet: MakeFleet) -> None:
    """DM, mention, tool call, fallback, explain, Flower, drain: one fleet for all of it."""
    fleet = make_fleet()
    _answers_in_private(fleet)
    _answers_a_mention_with_the_message_tool(fleet)
    _fails_over_to_the_second_model(fleet)
    _refuses_strangers_and_says_why(fleet)
    _flower_shows_the_turn(fleet)
    assert fleet.down() == 0, fleet.said()


def _answers_in_private(fleet: FleetUnderTest) -> None:
    fleet.models.script([{"text": ["Hello ", "from ", "the model."], "chunk_delay": 0.02}])
    said = fleet.control.dm("hello")
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=20)
    assert answer["content"] == "Hello from the model."
    time.sleep(1)
    assert len(fleet.bot_messages(said["channel_id"], said["id"])) == 1
    told = fleet.shoal("explain", said["id"], "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["outcome"] == "answered"


def _answers_a_mention_with_the_message_tool(fleet: FleetUnderTest) -> None:
    fleet.models.script(
        [
            {"tool_calls": [{"name": "message", "arguments": {"action": "send", "message": "By hand."}}]},
            {"text": ["private words"]},
        ]
    )
    said = fleet.control.say("general", f"<@{fleet.bot['id']}> use your tool")
    answer = fleet.control.wait_for_message("general", after=said["id"], timeout=20)
    assert answer["content"] == "By hand."
    time.sleep(1.5)
    assert [message["content"] for message in fleet.bot_messages("general", said["id"])] == ["By hand."]


def _fails_over_to_the_second_model(fleet: FleetUnderTest) -> None:
    fleet.models.script(
        [{"model": "first", "error": {"status": 500}}, {"model": "second", "text": ["Second speaks."]}]
    )
    said = fleet.control.dm("are you there?")
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=20)
    assert answer["content"] == "Second speaks."


def _refuses_strangers_and_says_why(fleet: FleetUnderTest) -> None:
    stranger = fleet.control.add_user("stranger", guilds=[fleet.guild["id"]])
    said = fleet.control.say("general", f"<@{fleet.bot['id']}> hi", user=stranger["id"])
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        told = fleet.shoal("explain", said["id"], "--json")
        if told.returncode == 0 and json.loads(told.stdout).get("outcome"):
            break
        time.sleep(0.3)
    explained = json.loads(told.stdout)
    assert explained["outcome"] == "dropped"
    assert explained["reason"]
    assert fleet.bot_messages("general", said["id"]) == []


def _flower_shows_the_turn(fleet: FleetUnderTest) -> None:
    import requests

    port = _flower_port(fleet)
    password = (fleet.state_dir / "flower.password").read_text().strip()
    url = f"http://127.0.0.1:{port}/api/tasks"
    session = requests.Session()
    session.trust_env = False
    assert session.get(url, timeout=10).status_code == 401
    tasks = session.get(url, auth=("shoal", password), timeout=10).json()
    names = {task["name"] for task in tasks.values()}
    assert {"inbound.admit", "session.turn", "delivery.send"} <= names
    turns = [task for task in tasks.values() if task["name"] == "session.turn"]
    assert any("answered" in str(task.get("result")) for task in turns), turns
    assert session.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code in (401, 404)


def _flower_port(fleet: FleetUnderTest) -> int:
    return int(json.loads(fleet.config_path.read_text())["fleet"]["flower"]["port"])
