"""The clock of Redis' host steps by an hour, forth and back, under a running fleet (rule R35)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.chaos.broker import Broker
from bench.fleet import FleetUnderTest

pytestmark = pytest.mark.slow

HOUR = 3_600
ANSWER_WITHIN_S = 15.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, seed=1)
    assert made.slow_disk, "a server's clock is moved by a library made here: install a C compiler (cc)"
    made.start()
    yield made
    made.stop()


@pytest.mark.timeout(200)
def test_the_fleet_answers_whatever_the_clock_of_redis_does(tmp_path: Path, broker: Broker) -> None:
    """Without what R35 asks for, each step back is an hour of silence: limits, leases and waits lie ahead."""
    fleet = FleetUnderTest(tmp_path, {"fleet": {"flower": {"enabled": False}}}, redis_url=broker.url)
    try:
        fleet.start()
        fleet.models.script([{"match": r"(step -?\d+ \d)", "text": "after {1}", "times": 99}])
        for asked, ahead in enumerate((0, HOUR, 0, 3 * HOUR, 0)):
            broker.step_clock(ahead)
            for number in range(3):
                said = fleet.control.dm(f"step {asked} {number}")
                answer = fleet.control.wait_for_message(
                    said["channel_id"], after=said["id"], timeout=ANSWER_WITHIN_S
                )
                assert answer["content"] == f"after step {asked} {number}", fleet.said()
        answers = [one["content"] for one in fleet.bot_messages(said["channel_id"], "0")]
        assert len(answers) == len(set(answers)) == 15
        assert fleet.down() == 0, fleet.said()
    finally:
        fleet.stop()
