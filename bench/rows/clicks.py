"""Clicks on buttons, menus and forms while every turn worker is busy and ``front`` is killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from bench.clicks import ClickLoad
from bench.fleet import FleetUnderTest, merged
from bench.rows.latency import VISIBLE, WORKERS
from bench.table import Row, percentile
from bench.watch import wait_workers

CHANNELS = 40
SLOTS = 8
"""Turns at once: all of them wait for a slow model while people click."""
RATE = 20.0
KILLS = (0.3, 0.65)
"""When ``front`` is killed, as shares of the run."""
CONFIG: dict[str, Any] = {
    "fleet": {"workers": {"turns": {"concurrency": SLOTS}}},
    "messages": {"queue": {"mode": "followup", "cap": 1000}},
}
"""A turn for each click, however many wait."""


def measure(folder: Path, quick: bool) -> list[Row]:
    """20 clicks/s for 100 s; quick: for 10 s."""
    load = run(folder / "fleet", 10.0 if quick else 100.0, CHANNELS)
    took = load.latencies()
    turns = load.turns
    counts = load.answers()
    once = sum(counts[one.id] == 1 for one in turns)
    kinds = Counter(one.kind for one in load.pressed)
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    shown = f"p50 {percentile(took, 0.5) * 1000:.0f} ms, max {max(took) * 1000:.0f} ms"
    return [
        Row("clicks-failed", "20 clicks/s, turns busy, front killed twice: not acknowledged within 3 s",
            len(load.unanswered()), 0, "<=", unit="of " + str(len(load.pressed)), note=said),
        Row("clicks-p99", "the same: INTERACTION_CREATE → acknowledgement, p99",
            percentile(took, 0.99) * 1000, 400, "<=", unit="ms", note=shown),
        Row("clicks-turns", "the same: clicks and forms with exactly one turn / all",
            once / len(turns), 1, ">=", note=f"{load.again} of {kinds['form']} forms had to be opened again"),
    ]  # fmt: skip


def run(folder: Path, seconds: float, channels: int, config: dict[str, Any] | None = None) -> ClickLoad:
    """A fleet under clicks, with what came of them; the fleet is stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = merged(merged(VISIBLE, CONFIG), config or {})
    fleet = FleetUnderTest(folder, settings, settings={"rate_scale": 20})
    kills = [share * seconds for share in KILLS]

    def hurt(now: float) -> None:
        if kills and now >= kills[0]:
            kills.pop(0)
            for pid in fleet.pids("worker", "front"):
                os.kill(pid, signal.SIGKILL)

    try:
        fleet.start()
        wait_workers(fleet, WORKERS)
        load = ClickLoad(fleet, channels, think_s=seconds + 5)
        load.offer()
        load.keep_busy(SLOTS)
        load.press(RATE, seconds, hurt)
        load.settle(timeout=60 + 4 * seconds)
    finally:
        fleet.stop()
    return load
