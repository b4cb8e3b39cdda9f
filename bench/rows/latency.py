"""One message at a time: how long until Discord hears from us, in units of a bare Celery hop."""

from __future__ import annotations

import time
from pathlib import Path

from bench.bare import BareCelery
from bench.fleet import FleetUnderTest
from bench.table import Row, percentile
from bench.watch import Line, LogTail, Speaker, wait_workers
from shoal.state.embedded import EmbeddedServer

CHANNELS = 40
WORKERS = 4
ANSWER = "POST /channels/{channel_id}/messages"

VISIBLE = {"messages": {"groupChat": {"visibleReplies": "automatic"}}}


def measure(folder: Path, quick: bool) -> list[Row]:
    """Message → first REST call, message → answer; each interleaved with a bare publish → task start."""
    count = 60 if quick else 1000
    fleet = FleetUnderTest(folder / "fleet", VISIBLE)
    (folder / "fleet").mkdir()
    try:
        fleet.start()
        fleet.models.script([{"text": "ok"}])
        wait_workers(fleet, WORKERS)
        bare = BareCelery(EmbeddedServer(fleet.state_dir).url(), folder)
        try:
            return _rows(*_rounds(fleet, bare, count))
        finally:
            bare.stop()
    finally:
        fleet.stop()


def _rounds(
    fleet: FleetUnderTest, bare: BareCelery, count: int
) -> tuple[list[float], list[float], list[float]]:
    speaker = Speaker(fleet, CHANNELS, "one")
    tail = LogTail(fleet.simulator_log)
    hops: list[float] = []
    first: list[float] = []
    answers: list[float] = []
    for number in range(count + 10):
        tail.skip()
        message = speaker.say(speaker.channels[number % CHANNELS], f"message {number}")
        lines = tail.until(lambda line: line["kind"] == "request" and line["route"] == ANSWER)
        said = next(line for line in lines if _is_event(line, message))
        arrived = [line["time"] - line["seconds"] for line in lines if line["kind"] == "request"]
        time.sleep(0.02)  # what follows an answer (its echo, its settling) is not measured
        hop = bare.start_latency()
        time.sleep(0.02)
        if number >= 10:  # the first ones open connections
            first.append(min(arrived) - said["time"])
            answers.append(arrived[-1] - said["time"])
            hops.append(hop)
    return hops, first, answers


def _is_event(line: Line, message: str) -> bool:
    return line["kind"] == "event" and line["event"] == "MESSAGE_CREATE" and line["data"]["id"] == message


def _rows(hops: list[float], first: list[float], answers: list[float]) -> list[Row]:
    def row(name: str, what: str, ours: list[float], share: float, bar: float) -> Row:
        mine, theirs = percentile(ours, share), percentile(hops, share)
        return Row(
            name,
            what,
            mine / theirs,
            bar,
            "<=",
            ours=f"{mine * 1000:.1f} ms",
            theirs=f"{theirs * 1000:.1f} ms",
            note=f"n = {len(ours)}",
        )

    return [
        row("first-call-p50", "message → first REST call / bare publish → start, p50", first, 0.5, 5),
        row("answer-p50", "message → answer's POST, instant model / bare hop, p50", answers, 0.5, 8),
        row("answer-p99", "the same, p99", answers, 0.99, 8),
    ]
