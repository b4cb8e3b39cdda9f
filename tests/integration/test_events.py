"""What people see of a turn and what it is told, through every process (``spec/inbound.md`` 7)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.fleet import FleetUnderTest

pytestmark = pytest.mark.slow

MakeFleet = Callable[..., FleetUnderTest]
TYPING = "POST /channels/{channel_id}/typing"
CONFIG = {
    "messages": {
        "visibleReplies": "automatic",
        "ackReactionScope": "all",
        "removeAckAfterReply": True,
    }
}


@pytest.mark.timeout(240)
def test_reactions_acks_and_typing_through_a_real_fleet(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(CONFIG)
    answer = _ack_appears_and_goes(fleet)
    _a_reaction_is_read_by_the_next_turn(fleet, answer)
    _a_killed_worker_leaves_nothing(fleet)
    assert fleet.down() == 0, fleet.said()


def _reactions(fleet: FleetUnderTest, message: dict[str, Any]) -> list[str]:
    found = [one for one in fleet.control.messages(message["channel_id"]) if one["id"] == message["id"]]
    return [entry["emoji"]["name"] for entry in found[0].get("reactions", [])]


def _until(fleet: FleetUnderTest, true: Callable[[], bool], what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what}\n{fleet.said()}"
        time.sleep(0.05)


def _ack_appears_and_goes(fleet: FleetUnderTest) -> dict[str, Any]:
    fleet.models.script([{"match": "slow please", "text": "Here I am.", "delay": 1.5}])
    said = fleet.control.dm("slow please")
    _until(fleet, lambda: _reactions(fleet, said) == ["👀"], "no acknowledgement")
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=20)
    _until(fleet, lambda: _reactions(fleet, said) == [], "the acknowledgement stayed")
    return answer


def _a_reaction_is_read_by_the_next_turn(fleet: FleetUnderTest, answer: dict[str, Any]) -> None:
    asked = len(fleet.models.requests())
    fleet.control.react(answer["channel_id"], answer["id"], "🎉")
    time.sleep(1.5)
    assert len(fleet.models.requests()) == asked, "a reaction starts no turn"
    fleet.models.script([{"match": "what did I do", "text": "You cheered."}])
    said = fleet.control.dm("what did I do")
    fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=20)
    assert f"Discord reaction added: 🎉 by {fleet.person['username']}" in str(fleet.models.requests()[-1])


def _a_killed_worker_leaves_nothing(fleet: FleetUnderTest) -> None:
    asked = len(fleet.models.requests())
    fleet.models.script([{"match": "before the end", "text": "Still here.", "delay": 1.5}])
    said = fleet.control.dm("before the end")
    fleet.models.wait_for_requests(asked + 1, timeout=15)
    for pid in fleet.pids("worker", "turns"):
        os.kill(pid, signal.SIGKILL)
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=20)
    assert answer["content"] == "Still here."
    _until(fleet, lambda: _reactions(fleet, said) == [], "something was left on the message")
    time.sleep(1.0)
    typed = len(fleet.control.requests(route=TYPING))
    time.sleep(8.0)
    assert len(fleet.control.requests(route=TYPING)) == typed, "somebody types on"
