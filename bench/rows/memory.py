"""What a fleet weighs when nothing happens, and what a turn in flight adds."""

from __future__ import annotations

import time
from pathlib import Path

from bench.fleet import FleetUnderTest, merged
from bench.rows.latency import VISIBLE, WORKERS
from bench.table import Row
from bench.watch import Speaker, processes, pss_mb, wait_workers

TURNS = 100
HISTORY = "word " * 380
"""One message of some 1.9 kB; the history of a turn is made of many."""


def measure(folder: Path, quick: bool) -> list[Row]:
    """An idle fleet with Flower; then many turns at once, all waiting for their model."""
    folder = folder / "fleet"
    folder.mkdir()
    wanted = 20 if quick else TURNS
    config = merged(VISIBLE, {"fleet": {"workers": {"turns": {"concurrency": TURNS + 10}}}})
    fleet = FleetUnderTest(folder, config, settings={"rate_limits": False})
    try:
        fleet.start()
        fleet.models.script([{"match": "think", "text": "ok", "delay": 40}, {"text": "ok"}])
        wait_workers(fleet, WORKERS)
        idle = sum(pss_mb(pid) for pid in processes(fleet))
        each = {pid: pss_mb(pid) for pid in processes(fleet)}
        added = _in_flight(fleet, wanted)
    finally:
        fleet.stop()
    return [
        Row("idle-fleet", "idle fleet, every process, Redis and Flower included",
            idle, 500, "<=", unit="MB PSS", note=f"{len(each)} processes"),
        Row("turn-memory", f"memory of {wanted} turns in flight, per 100",
            added * 100 / wanted, 20, "<=", unit="MB"),
    ]  # fmt: skip


def _in_flight(fleet: FleetUnderTest, wanted: int) -> float:
    """MB that the turns worker grows by while ``wanted`` turns wait for their model."""
    speaker = Speaker(fleet, wanted, "mem")
    asked = len(fleet.models.requests())
    for channel in speaker.channels[:20]:
        speaker.say(channel, HISTORY)
    fleet.models.wait_for_requests(asked + 20, timeout=60)
    time.sleep(3)
    worker = fleet.pids("worker", "turns")[0]
    before = pss_mb(worker)
    asked = len(fleet.models.requests())
    for channel in speaker.channels:
        speaker.say(channel, f"think {HISTORY}")
    fleet.models.wait_for_requests(asked + wanted, timeout=35)
    time.sleep(1)
    return pss_mb(worker) - before
