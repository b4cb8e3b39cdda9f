"""One turn worker against four, with a model that takes 50 ms."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bench.fleet import FleetUnderTest, merged
from bench.rows.latency import VISIBLE
from bench.table import Row
from bench.watch import LogTail, Speaker, cpu_seconds, wait_workers

SLOTS = 2
"""Turns at once in one worker: few, so that one worker alone is not held up by its processor."""
CHANNELS = 40


def measure(folder: Path, quick: bool) -> list[Row]:
    """Turns per second and CPU per turn, with one and with four workers."""
    count = 60 if quick else 400
    one = _run(folder / "one", 1, count)
    four = _run(folder / "four", 4, count)
    cores = len(os.sched_getaffinity(0))
    return [
        Row("scaling", "turns/s of 4 turn workers / of 1, model of 50 ms", four[0] / one[0], 3.5, ">=",
            ours=f"{four[0]:.0f} turns/s", theirs=f"{one[0]:.0f} turns/s",
            note=f"{cores} cores; where they are full, the next row counts"),
        Row("scaling-cpu", "CPU per turn with 4 turn workers / with 1", four[1] / one[1], 1.2, "<=",
            ours=f"{four[1] * 1000:.1f} ms", theirs=f"{one[1] * 1000:.1f} ms"),
    ]  # fmt: skip


def _run(folder: Path, workers: int, count: int) -> tuple[float, float]:
    folder.mkdir()
    config: dict[str, Any] = merged(VISIBLE, {"fleet": {"workers": {"turns": {"concurrency": SLOTS}}}})
    config = merged(config, {"messages": {"queue": {"mode": "followup"}}})  # a turn for each message
    fleet = FleetUnderTest(folder, config, workers=workers, settings={"rate_limits": False})
    try:
        fleet.start()
        fleet.models.script([{"text": "ok", "delay": 0.05}])
        wait_workers(fleet, 3 + workers)
        speaker = Speaker(fleet, CHANNELS, "scale")
        for channel in speaker.channels:
            speaker.say(channel, "warm up")
        time.sleep(5)
        tail = LogTail(fleet.folder / "models.jsonl")
        before = sum(cpu_seconds(fleet, "worker", "turns").values())
        for number in range(count):
            speaker.say(speaker.channels[number % CHANNELS], f"message {number}")
        left = count

        def last(line: dict[str, object]) -> bool:
            nonlocal left
            left -= line["kind"] == "end"
            return left <= 0

        lines = tail.until(last, timeout=180)
        time.sleep(1)
        cpu = sum(cpu_seconds(fleet, "worker", "turns").values()) - before
    finally:
        fleet.stop()
    times = sorted(line["time"] for line in lines if line["kind"] == "end")
    middle = times[len(times) // 5 :]  # the start of the burst is still being said
    return (len(middle) - 1) / (middle[-1] - middle[0]), cpu / count
