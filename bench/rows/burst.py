"""Twenty-four messages over eight channels at once, in both ways of queueing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from bench.fleet import FleetUnderTest, merged
from bench.rows.latency import VISIBLE, WORKERS
from bench.table import Row, percentile
from bench.watch import LogTail, Speaker, wait_workers

CHANNELS = 8
EACH = 3
ANSWER = "POST /channels/{channel_id}/messages"


def measure(folder: Path, quick: bool) -> list[Row]:
    """followup: every message its answer; steer: every message in exactly one turn."""
    return [*_followup(folder / "followup", 2 if quick else 5), _steer(folder / "steer")]


def _fleet(folder: Path, mode: str) -> FleetUnderTest:
    folder.mkdir()
    config: dict[str, Any] = merged(VISIBLE, {"messages": {"queue": {"mode": mode}}})
    # the lower limits of a real channel would make a burst of three answers wait for them
    return FleetUnderTest(folder, config, settings={"rate_scale": 20})


def _followup(folder: Path, rounds: int) -> list[Row]:
    fleet = _fleet(folder, "followup")
    try:
        fleet.start()
        fleet.models.script([{"text": "ok"}])
        wait_workers(fleet, WORKERS)
        latencies: list[float] = []
        medians: list[float] = []
        missing = 0
        for number in range(rounds + 1):
            took, lost = _burst(fleet, f"b{number}")
            if number:  # the first warms up
                latencies += took
                medians.append(percentile(took, 0.5) * 1000)
                missing += lost
    finally:
        fleet.stop()
    sent = rounds * CHANNELS * EACH
    return [
        Row("burst-answers", "24 messages over 8 channels, followup: answers / messages",
            (sent - missing) / sent, 1, ">=", ours=str(sent - missing), theirs=str(sent)),
        Row("burst-p50", "24 messages over 8 channels, followup: message → answer, p50",
            percentile(latencies, 0.5) * 1000, 300, "<=", min(medians), max(medians), unit="ms"),
    ]  # fmt: skip


def _burst(fleet: FleetUnderTest, name: str) -> tuple[list[float], int]:
    """Seconds from each message to its answer, and how many got none."""
    speaker = Speaker(fleet, CHANNELS, name)
    tail = LogTail(fleet.simulator_log)
    wanted = CHANNELS * EACH
    for number in range(wanted):
        speaker.say(speaker.channels[number % CHANNELS], f"{name} message {number}")
    found = 0

    def last(line: dict[str, Any]) -> bool:
        nonlocal found
        found += line["kind"] == "request" and line["route"] == ANSWER and line["status"] == 200
        return found >= wanted

    lines = tail.until(last)
    time.sleep(0.5)
    asked: dict[str, list[float]] = {channel: [] for channel in speaker.channels}
    answered: dict[str, list[float]] = {channel: [] for channel in speaker.channels}
    for line in lines:
        if line["kind"] == "event" and line["event"] == "MESSAGE_CREATE":
            channel, bot = line["data"]["channel_id"], line["data"]["author"].get("bot")
            if channel in asked and not bot:
                asked[channel].append(line["time"])
        elif line["kind"] == "request" and line["route"] == ANSWER and line["status"] == 200:
            channel = line["path"].split("/channels/")[1].split("/")[0]
            if channel in answered:
                answered[channel].append(line["time"] - line["seconds"])
    took = [
        done - said
        for channel in speaker.channels
        for said, done in zip(asked[channel], answered[channel], strict=False)
    ]
    return took, wanted - len(took)


def _steer(folder: Path) -> Row:
    """The model thinks for a while, so that later messages find a turn to join."""
    fleet = _fleet(folder, "steer")
    try:
        fleet.start()
        fleet.models.script([{"text": "ok", "delay": 0.2}])
        wait_workers(fleet, WORKERS)
        speaker = Speaker(fleet, CHANNELS, "steer")
        messages = [
            speaker.say(speaker.channels[number % CHANNELS], f"steer {number}")
            for number in range(CHANNELS * EACH)
        ]
        outcomes = [_outcome(fleet, message) for message in messages]
    finally:
        fleet.stop()
    in_a_turn = sum(outcome in ("answered", "steered", "merged") for outcome in outcomes)
    counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
    return Row(
        "burst-steer",
        "24 messages over 8 channels, steer: messages with exactly one turn / messages",
        in_a_turn / len(messages),
        1,
        ">=",
        note=", ".join(f"{number} {outcome}" for outcome, number in counts.items()),
    )


def _outcome(fleet: FleetUnderTest, message: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = fleet.shoal("explain", message, "--json")
        if told.returncode == 0 and (outcome := json.loads(told.stdout).get("outcome")):
            return str(outcome)
        time.sleep(0.2)
    return "none"
