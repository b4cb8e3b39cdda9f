"""Poison and bad luck (rule R13, decision 23), with processes that are really killed and frozen.

A turn whose worker dies twice is run alone by the chores; one that kills those twice is dead.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from bench.fleet import FleetUnderTest, descendants
from shoal.state.lanes import LEASE_MS

pytestmark = pytest.mark.slow

THINKING_S = 4.0
"""Long enough to be killed in the middle."""
TAKEN_AGAIN_S = 45.0
"""A dead worker's lease (5 s), its successor's start on a busy machine, and the sweep."""


@pytest.mark.timeout(420)
def test_a_poison_is_isolated_then_buried_with_a_notice(make_fleet: Callable[..., FleetUnderTest]) -> None:
    fleet = make_fleet()
    _answered_in_quarantine(fleet)
    _dead_with_a_notice(fleet)
    said = fleet.control.dm("and now?")
    fleet.models.script([{"text": "all is well"}])
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=30)
    assert answer["content"] == "all is well"
    assert fleet.down() == 0, fleet.said()


@pytest.mark.timeout(420)
def test_bad_luck_is_no_poison(make_fleet: Callable[..., FleetUnderTest]) -> None:
    """Five holders go: one with its fleet, one frozen, two killed, one killed alone. It is answered."""
    fleet = make_fleet()
    fleet.models.script([{"match": "unlucky", "text": "survived all that", "delay": THINKING_S}])
    said = fleet.control.dm("unlucky")
    _wait_for_turn(fleet, 1)
    for pid in fleet.pids("shoal.cli.fleet.supervise"):
        os.kill(pid, signal.SIGKILL)
    assert fleet.process is not None
    fleet.process.wait(timeout=30)
    fleet.up()
    fleet.wait_online()
    _wait_for_turn(fleet, 2)
    frozen = fleet.pids("worker", "turns")
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(LEASE_MS / 1000 + 2.5)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    _wait(lambda: "lane passed to another holder" in fleet.said(), fleet, "the thawed holder does not notice")
    time.sleep(0.5)  # it says so next, and may be killed after that
    for number in (3, 4):
        _wait_for_turn(fleet, number)
        for pid in fleet.pids("worker", "turns"):
            os.kill(pid, signal.SIGKILL)
    _wait_for_turn(fleet, 5)
    _kill_the_child(fleet)
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=TAKEN_AGAIN_S)
    assert answer["content"] == "survived all that"
    assert json.loads(fleet.shoal("dead", "list", "--json").stdout) == []
    assert fleet.down() == 0, fleet.said()


def _wait_for_turn(fleet: FleetUnderTest, number: int) -> None:
    _wait(lambda: _asked(fleet, "unlucky") >= number, fleet, f"no turn {number}")


def _kill_the_child(fleet: FleetUnderTest) -> None:
    """What a poison in quarantine does: it takes the process it runs in."""
    (parent,) = _parents(fleet, "chores")
    for child in descendants(parent):
        os.kill(child, signal.SIGKILL)


def _answered_in_quarantine(fleet: FleetUnderTest) -> None:
    said = _kill_the_turns_twice(fleet, "poison one")
    _wait(lambda: _asked(fleet, "poison one") >= 3, fleet, "the chores did not take the turn")
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=30)
    assert answer["content"] == "survived poison one"
    time.sleep(2.0)
    assert len(fleet.bot_messages(said["channel_id"], said["id"])) == 1
    lines = (fleet.folder / "up.out").read_text(errors="replace").splitlines()
    ended = [line for line in lines if "turn ended" in line and said["id"] in line]
    assert len(ended) == 1, ended
    assert re.search(r"\bchores\s+turn ended", ended[0]), ended


def _dead_with_a_notice(fleet: FleetUnderTest) -> None:
    said = _kill_the_turns_twice(fleet, "poison two")
    for number in (3, 4):
        _wait(lambda n=number: _asked(fleet, "poison two") >= n, fleet, "the chores did not take the turn")  # type: ignore[misc]
        _kill_the_child(fleet)
    notice = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=TAKEN_AGAIN_S)
    assert "survived" not in notice["content"]
    time.sleep(3.0)
    assert len(fleet.bot_messages(said["channel_id"], said["id"])) == 1
    assert _asked(fleet, "poison two") == 4, "a proven poison was run again"
    dead = json.loads(fleet.shoal("dead", "list", "--json").stdout)
    assert [record["message_id"] for record in dead] == [said["id"]]
    told = json.loads(fleet.shoal("explain", said["id"], "--json").stdout)
    assert told["outcome"] == "dead", told


def _kill_the_turns_twice(fleet: FleetUnderTest, text: str) -> dict[str, str]:
    fleet.models.script([{"match": text, "text": f"survived {text}", "delay": THINKING_S}])
    said: dict[str, str] = fleet.control.dm(text)
    for time_number in (1, 2):
        _wait(lambda n=time_number: _asked(fleet, text) >= n, fleet, "no turn")  # type: ignore[misc]
        for pid in fleet.pids("worker", "turns"):
            os.kill(pid, signal.SIGKILL)
    return said


def _asked(fleet: FleetUnderTest, text: str) -> int:
    """How often the model was asked about a message."""
    return sum(
        1 for request in fleet.models.requests() if text in json.dumps(request["body"]["messages"][-1])
    )


def _parents(fleet: FleetUnderTest, kind: str) -> list[int]:
    pids = fleet.pids("worker", kind)
    return [pid for pid in pids if not any(pid in descendants(other) for other in pids if other != pid)]


def _wait(look: Callable[[], bool], fleet: FleetUnderTest, what: str) -> None:
    deadline = time.monotonic() + TAKEN_AGAIN_S
    while not look():
        assert time.monotonic() < deadline, f"{what}\n{fleet.said()}"
        time.sleep(0.05)
