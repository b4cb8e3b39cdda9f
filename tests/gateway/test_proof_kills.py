"""kill -9 under load, forty times: nothing lost, sessions resumed, events flowing again soon."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.gateway.conftest import ACCOUNT, eventually, inbound

ROOT = Path(__file__).resolve().parents[2]
KILLS = 40
RATE = 200
TICK_S = 0.05


class Load:
    """Speaks in the simulator's own loop, ``RATE`` messages a second, until told to stop."""

    def __init__(self, discord: Simulator) -> None:
        self._discord = discord
        self._channel = discord.core.world.channels[discord.channel_id]
        self._on = True
        self.said: list[str] = []
        self._begun = time.monotonic()
        assert discord._loop is not None
        self._loop = discord._loop
        self._loop.call_soon_threadsafe(self._tick)

    def _tick(self) -> None:
        if not self._on:
            return
        due = int((time.monotonic() - self._begun) * RATE)
        for number in range(len(self.said), due):
            made = self._discord.core.actions.create(
                self._channel, self._discord.user_id, {"content": f"number {number}"}
            )
            self.said.append(made.id)
        self._loop.call_later(TICK_S, self._tick)

    def stop(self) -> None:
        self._on = False


class Killed:
    """A gateway process that is started again at once, as a supervisor would."""

    def __init__(self, folder: Path, discord: Simulator, redis: str) -> None:
        path = folder / "shoal.json"
        path.write_text(json.dumps({"channels": {"discord": {"enabled": True, "groupPolicy": "open"}}}))
        self._log = (folder / "stderr.log").open("ab")
        self._words = [sys.executable, "-m", "tests.gateway.support.process", str(path), str(folder)]
        self._folder = folder
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "DISCORD_BOT_TOKEN": discord.token,
            "SHOAL_DISCORD_API_URL": discord.api_url,
            "SHOAL_REDIS_URL": redis,
        }
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._words, env=self._env, cwd=self._folder, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.process = self._start()

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._log.close()


@pytest.fixture
def discord() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def killed(tmp_path: Path, discord: Simulator, store: Store, redis_server: RedisServer) -> Iterator[Killed]:
    running = Killed(tmp_path, discord, redis_server.url)
    yield running
    running.end()


def seq(store: Store) -> int:
    cursor = store.intake.cursor(ACCOUNT, 0)
    return cursor.seq if cursor else 0


def drain(store: Store, channel: str) -> list[str]:
    return [msgspec.json.decode(event.data)["id"] for event in inbound(store, channel)]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_forty_kills_under_load(discord: Simulator, store: Store, killed: Killed) -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    eventually(lambda: seq(store) > 1, 30.0)
    load = Load(discord)
    eventually(lambda: seq(store) > 20)
    took: list[float] = []
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.05, 0.4))
        killed.process.kill()
        begun = time.monotonic()
        killed.kill()
        before = seq(store)
        eventually(lambda: seq(store) > before, 30.0)  # noqa: B023 - called at once
        took.append(time.monotonic() - begun)
    load.stop()
    time.sleep(2 * TICK_S)
    lane = f"inbound:{ACCOUNT}:{discord.channel_id}"
    eventually(lambda: store.lanes.depth(lane) >= len(load.said), 60.0)
    got = drain(store, discord.channel_id)
    identifies = len(discord.control._many("/gateway", what="identify"))
    share = 1 - (identifies - 1) / KILLS
    p50, worst = statistics.median(took), max(took)
    sys.stdout.write(
        f"seed {seed}: {KILLS} kills, {len(load.said)} events, lost {len(set(load.said) - set(got))}, "
        f"RESUME {share:.0%}, flowing again p50 {p50:.2f} s, max {worst:.2f} s\n"
    )
    assert got == load.said, "lost, doubled or out of order"
    assert share >= 0.95
    assert p50 <= 2.5
    assert worst <= 6.0
