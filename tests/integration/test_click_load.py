"""Clicks under load: each is acknowledged within Discord's three seconds and becomes one turn (rule R10)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.clicks import ClickLoad, by_kind
from bench.fleet import FleetUnderTest
from bench.rows.clicks import run
from bench.rows.races import run as race

pytestmark = pytest.mark.slow


@pytest.mark.timeout(240)
def test_no_click_fails_while_turns_are_busy_and_front_is_killed(tmp_path: Path) -> None:
    """The simulator refuses what comes after three seconds, as Discord does (10062)."""
    load = run(tmp_path / "run", seconds=10.0, channels=10)
    states = load.states()
    assert load.unanswered() == []
    assert {one.kind for one in load.pressed} >= {"button", "string", "user", "role", "channel", "submit"}
    assert {states[one.id].callback_type for one in load.turns} == {6}, "reusable: nothing is greyed out"
    answers = load.answers()
    assert {one.id: answers[one.id] for one in load.turns} == {one.id: 1 for one in load.turns}
    assert not answers.keys() - {one.id for one in load.turns}


@pytest.mark.timeout(240)
def test_a_form_opens_while_front_is_dead(make_fleet: Callable[..., FleetUnderTest]) -> None:
    """``back`` stands in (decision 15): a form cannot be deferred, so the back-stop would not do."""
    fleet = make_fleet({"messages": {"groupChat": {"visibleReplies": "automatic"}}})
    load = ClickLoad(fleet, channels=1, think_s=0.0)
    load.offer()
    channel, message, controls = load.boards[0]
    [trigger] = by_kind(controls)["form"]
    over = threading.Event()
    killer = threading.Thread(target=_keep_dead, args=(fleet, over))
    killer.start()
    try:
        time.sleep(0.5)  # a process that had begun to answer has died by now
        kinds: list[Any] = []
        while 9 not in kinds and len(kinds) < 10:  # on a busy machine the person may be asked to press again
            clicked = fleet.control.click(channel, message, trigger["custom_id"])
            kinds.append(fleet.control.wait_for_interaction(clicked["id"], timeout=10)["callback_type"])
    finally:
        over.set()
        killer.join()
    assert kinds[-1] == 9, kinds


def _keep_dead(fleet: FleetUnderTest, over: threading.Event) -> None:
    while not over.wait(0.1):
        for pid in fleet.pids("worker", "front"):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(240)
def test_of_two_people_at_once_exactly_one_uses_a_message_up(tmp_path: Path) -> None:
    """``spec/outbound.md`` 5.5: siblings retire together, in whichever process; the late one reads so."""
    races = race(tmp_path / "run", 150)
    assert races.run > 100, "hardly any two clicks came together"
    assert (races.won, races.told, races.odd) == (races.run, races.run, [])
