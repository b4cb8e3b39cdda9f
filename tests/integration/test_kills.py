"""``kill -9`` of each process in the middle of a turn: one answer within ten seconds (promises 3, 4)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from bench.fleet import FleetUnderTest

pytestmark = pytest.mark.slow

THINKING_S = 1.5
ANSWER_WITHIN_S = 10.0

VICTIMS = {
    "turns": ("worker", "turns"),
    "back": ("worker", "back"),
    "front": ("worker", "front"),
    "gateway": ("gateway", "--listener-only"),
    "redis": ("valkey-server",),
    "beat": ("shoal.cli", "beat"),
    "chores": ("worker", "chores"),
    "flower": ("shoal.cli", "flower"),
}


@pytest.mark.timeout(300)
def test_kill_each_process_in_the_middle_of_a_turn(make_fleet: Callable[..., FleetUnderTest]) -> None:
    """One fleet, one turn per victim: the model is thinking when the process dies."""
    fleet = make_fleet()
    warm = fleet.control.dm("warm up")
    fleet.control.wait_for_message(warm["channel_id"], after=warm["id"], timeout=30)
    took: dict[str, float] = {}
    for name, words in VICTIMS.items():
        took[name] = _kill_during_a_turn(fleet, name, words)
    print("seconds from kill to answer:", {name: round(seconds, 1) for name, seconds in took.items()})
    assert fleet.down() == 0, fleet.said()


def _kill_during_a_turn(fleet: FleetUnderTest, name: str, words: tuple[str, ...]) -> float:
    asked_before = len(fleet.models.requests())
    fleet.models.script([{"match": f"before {name}", "text": f"after {name}", "delay": THINKING_S}])
    said = fleet.control.dm(f"before {name}")
    fleet.models.wait_for_requests(asked_before + 1, timeout=15)
    pids = fleet.pids(*words)
    assert pids, f"no process {name}: {words}"
    killed_at = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    try:
        answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=ANSWER_WITHIN_S)
    except TimeoutError as error:
        raise AssertionError(f"{name}: {error}\n{fleet.said()}") from error
    seconds = time.monotonic() - killed_at
    assert answer["content"] == f"after {name}"
    _wait_back(fleet, name, words, pids)
    time.sleep(1.0)
    answers = [message["content"] for message in fleet.bot_messages(said["channel_id"], said["id"])]
    assert answers == [f"after {name}"], f"{name}: {answers}"
    return seconds


def _wait_back(fleet: FleetUnderTest, name: str, words: tuple[str, ...], old: list[int]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        fresh = [pid for pid in fleet.pids(*words) if pid not in old]
        if fresh:
            if name == "gateway":
                fleet.wait_online(20)
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} was not started again\n{fleet.said()}")
