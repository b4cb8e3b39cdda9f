"""Many answers stream at once through a whole fleet under Discord's limits: how old is what people see?"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.fleet import FleetUnderTest, merged
from bench.rows.latency import VISIBLE, WORKERS
from bench.table import Row, percentile
from bench.watch import Line, LogTail, Speaker, wait_workers

__all__ = ["Preview", "measure", "stream", "tokens"]

PER_S = 20
"""Tokens of each answer per second."""
CHANNELS = 50
"""About as many as the limit of 50 requests per second lets move every 1.2 s."""
CROWD = 75
CREATE = "POST /channels/{channel_id}/messages"
EDIT = "PATCH /channels/{channel_id}/messages/{message_id}"
SAMPLE_S = 0.1
_TOKEN = re.compile(r"w(\d{3})")


@dataclass
class Preview:
    """What was seen of the answer in one channel.

    Attributes:
        began, ended: of the model's stream, Unix seconds.
        shown: (when, number of its newest token) of each version.
        final: the messages that are there in the end.
    """

    began: float = 0.0
    ended: float = 0.0
    shown: list[tuple[float, int]] = field(default_factory=list)
    final: list[str] = field(default_factory=list)

    def ages(self, count: int) -> list[float]:
        """Age of the newest text that is to be seen, at every tenth of a second while the model writes."""
        each = (self.ended - self.began) / count
        found, at, seen = [], self.began + each, 0
        while at < self.ended:
            while seen < len(self.shown) and self.shown[seen][0] <= at:
                seen += 1
            newest = self.shown[seen - 1][1] if seen else 0
            found.append(at - self.began - newest * each)
            at += SAMPLE_S
        return found

    @property
    def longest(self) -> float:
        """Seconds of the longest time without a new version while the model writes."""
        times = [self.began, *(when for when, _ in self.shown if when < self.ended), self.ended]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


def tokens(count: int) -> list[str]:
    """The tokens of an answer, each with its number."""
    return [f"w{number:03} " for number in range(count)]


def measure(folder: Path, quick: bool) -> list[Row]:
    """As many as the limit carries, then half as many again."""
    count = 120 if quick else 360
    many = _many(folder, CHANNELS // 2 if quick else CHANNELS, count)
    if quick:
        return many
    return [*many, *_crowd(folder, CROWD, count)]


def _many(folder: Path, channels: int, count: int) -> list[Row]:
    previews, refused, rate = stream(folder / "many", channels, count)
    ages = [age for preview in previews for age in preview.ages(count)]
    what = f"{channels} answers of {PER_S} tokens/s at once"
    moves = sum(len(preview.shown) for preview in previews) / channels
    return [
        Row("streaming-age", f"{what}: age of the newest text people see, p95", percentile(ages, 0.95),
            2.5, "<=", unit="s", ours=f"p50 {percentile(ages, 0.5):.2f} s",
            note=f"{moves:.1f} versions each, {rate:.1f} requests/s"),
        Row("streaming-429", f"{what}: 429s", len(refused), 0, "<=", unit="", note=", ".join(refused)),
        Row("streaming-exact", f"{what}: finals that are one message, word for word / answers",
            _exact(previews, count) / channels, 1, ">="),
    ]  # fmt: skip


def _crowd(folder: Path, channels: int, count: int) -> list[Row]:
    previews, refused, rate = stream(folder / "crowd", channels, count)
    what = f"{channels} answers of {PER_S} tokens/s at once"
    gaps = [preview.longest for preview in previews]
    ages = [age for preview in previews for age in preview.ages(count)]
    return [
        Row("streaming-crowd", f"{what}: longest time without a new version, p95", percentile(gaps, 0.95),
            8, "<=", max(gaps), max(gaps), unit="s", ours=f"age p95 {percentile(ages, 0.95):.2f} s",
            note=f"{rate:.1f} requests/s"),
        Row("streaming-crowd-429", f"{what}: 429s", len(refused), 0, "<=", unit="", note=", ".join(refused)),
        Row("streaming-crowd-exact", f"{what}: finals that are one message, word for word / answers",
            _exact(previews, count) / channels, 1, ">="),
    ]  # fmt: skip


def _exact(previews: list[Preview], count: int) -> int:
    whole = "".join(tokens(count)).strip()
    return sum(preview.final == [whole] for preview in previews)


def stream(
    folder: Path, channels: int, count: int, config: dict[str, Any] | None = None
) -> tuple[list[Preview], list[str], float]:
    """Let a model answer in so many channels at once.

    Returns:
        What was seen in each channel, the routes of all 429s, and the requests per second meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, Any] = {
        "channels": {"discord": {"streaming": {"mode": "partial"}}},
        "fleet": {"workers": {"turns": {"concurrency": channels + 8}}},
    }
    fleet = FleetUnderTest(folder, merged(merged(VISIBLE, wanted), config or {}))
    try:
        fleet.start()
        whole = {"match": "stream", "text": tokens(count), "chunk_delay": 1 / PER_S}
        fleet.models.script([whole])
        wait_workers(fleet, WORKERS)
        speaker = Speaker(fleet, channels, "s")
        tail = LogTail(fleet.simulator_log)
        for channel in speaker.channels:
            speaker.say(channel, f"stream in {channel}")
        previews = {channel: Preview() for channel in speaker.channels}
        lines = _until_answered(tail, previews, "".join(tokens(count)).strip(), count / PER_S * 3 + 60)
        time.sleep(2.0)  # what would come too late
        _models_side(folder / "models.jsonl", previews)
        for channel, preview in previews.items():
            preview.final = [one["content"] for one in fleet.control.messages(channel, author="bot")]
    finally:
        fleet.stop()
    asked = [line for line in lines if line["kind"] == "request"]
    first, last = min(one.began for one in previews.values()), max(one.ended for one in previews.values())
    meanwhile = sum(first <= line["time"] <= last for line in asked)
    refused = [
        f"{line['route']}{' (global)' if line['answer'].get('global') else ''}"
        for line in asked
        if line["status"] == 429
    ]
    return list(previews.values()), refused, meanwhile / (last - first)


def _until_answered(tail: LogTail, previews: dict[str, Preview], whole: str, timeout: float) -> list[Line]:
    """The simulator's log up to the last final; fills in what was shown."""
    done: set[str] = set()

    def last(line: Line) -> bool:
        if line["kind"] != "request" or line["route"] not in (CREATE, EDIT) or line["status"] != 200:
            return False
        channel = line["path"].split("/channels/")[1].split("/")[0]
        text = str((line.get("body") or {}).get("content") or "")
        found = _TOKEN.findall(text)
        if channel in previews and found:
            previews[channel].shown.append((line["time"], int(found[-1]) + 1))
            if text.strip() == whole:
                done.add(channel)
        return len(done) == len(previews)

    return tail.until(last, timeout)


def _models_side(path: Path, previews: dict[str, Preview]) -> None:
    """When the model began and ended its answer in each channel."""
    requests: dict[int, Preview] = {}
    for raw in path.read_bytes().splitlines():
        line = orjson.loads(raw)
        if line["kind"] == "start":
            said = orjson.dumps(line["body"]).decode()
            channel = re.findall(r"stream in (\d+)", said)[-1]
            requests[line["request"]] = previews[channel]
            previews[channel].began = line["time"]
        elif line["kind"] == "end":
            requests[line["request"]].ended = line["time"]
