"""Four processes and two hundred channels under the true limits: how near, how clean, and who waits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.table import Row, percentile
from shoal.simulator.log import EventLog
from shoal.simulator.server import Simulator
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store

PROCESSES = 4
CHANNELS = 200
LIMIT = 50
"""Requests per second that Discord allows a bot."""
EDGE_S = 3
"""Left out at both ends: threads start, the last requests run out."""


def measure(folder: Path, quick: bool) -> list[Row]:
    """Background saturates the limit; once paced, once with the priority of people."""
    seconds = 10 if quick else 30
    redis = EmbeddedServer(folder / "redis")
    redis.start()
    store = Store.open(redis.url(), client_name="bench")
    store.check()
    try:
        paced = _run(redis.url(), "paced", seconds)
        store.redis.flushdb()
        unpaced = _run(redis.url(), "unpaced", seconds)
    finally:
        store.close()
        redis.stop()
    rate, refused, waits = paced
    better = percentile(unpaced[2], 0.99) / percentile(waits, 0.99)
    setting = f"{PROCESSES} processes, {CHANNELS} channels"
    return [
        Row("rest-rate", f"requests/s of {setting} / the limit", rate / LIMIT, 0.9, ">=",
            ours=f"{rate:.1f} per s", theirs=f"{LIMIT} per s"),
        Row("rest-429", "429s in all answers", refused * 100, 0.1, "<=", unit="%"),
        Row("rest-p99", "a person's wait for the limiter, p99: background unpaced / paced", better, 4, ">=",
            ours=f"{percentile(waits, 0.99) * 1000:.0f} ms",
            theirs=f"{percentile(unpaced[2], 0.99) * 1000:.0f} ms", note=f"n = {len(waits)}"),
    ]  # fmt: skip


def _run(redis_url: str, mode: str, seconds: int) -> tuple[float, float, list[float]]:
    """Requests per second, share of 429s, waits of people."""
    with Simulator() as simulator:
        control = simulator.control
        channels = [
            str(control.add_channel(simulator.guild_id, f"limit-{number}")["id"])
            for number in range(CHANNELS)
        ]
        words = [simulator.api_url, redis_url, simulator.token, str(seconds), mode, *channels]
        senders = [
            subprocess.Popen([sys.executable, "-m", "bench.senders", *words], stdout=subprocess.PIPE)
            for _ in range(PROCESSES)
        ]
        said = [json.loads(sender.communicate(timeout=seconds + 120)[0]) for sender in senders]
        rate, refused = _answers(simulator.core.log)
    return rate, refused, [wait for one in said for wait in one["waits"]]


def _answers(log: EventLog) -> tuple[float, float]:
    sent = log.select("request", method="POST")
    first, last = sent[0]["time"] + EDGE_S, sent[-1]["time"] - EDGE_S
    good = [line for line in sent if first <= line["time"] <= last and line["status"] == 200]
    refused = sum(line["status"] == 429 for line in sent)
    return len(good) / (last - first), refused / len(sent)
