"""A front worker that works off inbound events, against the same pool with empty tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bench.bare import BareCelery
from bench.stream import BOT, CHANNELS, FIRST_CHANNEL, GUILD, guild, message
from bench.table import Row, alternate, ratio_row
from shoal.base.ids import new_token
from shoal.state.embedded import EmbeddedServer
from shoal.state.intake import IntakeEvent
from shoal.state.records import InboundEvent, Record, encode_event
from shoal.state.store import Store

SLOTS = 8
"""Threads of a front worker, and of the bare one."""
ACCOUNT = "default"


def measure(folder: Path, quick: bool) -> list[Row]:
    """Twenty events per channel: read, decided, outcome written, popped."""
    state_dir = folder / "state"
    state_dir.mkdir(mode=0o700)
    redis = EmbeddedServer(state_dir)
    redis.start()
    store = Store.open(redis.url(), client_name="bench")
    store.check()
    count = 1000 if quick else 4000
    front = _front(state_dir)
    bare = BareCelery(redis.url(), folder, concurrency=SLOTS)
    try:
        _await_hints(store)
        events = _Events(store)
        pairs = alternate(
            lambda: events.drained_per_second(front.pid, count), lambda: bare.tasks_per_second(count // 2)
        )
    finally:
        bare.stop()
        front.kill()
        front.wait()
        store.close()
        redis.stop()
    return [
        ratio_row("drain", "inbound events admitted / bare Celery tasks, same pool", pairs,
                  bar=1.3, unit="per s", note=f"{SLOTS} threads, 20 events per channel")
    ]  # fmt: skip


def _front(state_dir: Path) -> subprocess.Popen[bytes]:
    config = state_dir / "shoal.json"
    config.write_text(
        '{channels: {discord: {groupPolicy: "allowlist", guilds: {"' + GUILD + '": {requireMention: true}}}}}'
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SHOAL_", "DISCORD_"))}
    env |= {"SHOAL_STATE_DIR": str(state_dir), "DISCORD_BOT_TOKEN": "MTMwMDAwMDAwMDAwMDAwMDAwNA.x.y"}
    return subprocess.Popen(
        [sys.executable, "-m", "shoal.cli", "worker", "front"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _await_hints(store: Store) -> None:
    """The front worker has told Redis how to wake it."""
    deadline = time.monotonic() + 60
    while not store.redis.exists(store.keys.hints()):
        if time.monotonic() > deadline:
            raise TimeoutError("the front worker did not start")
        time.sleep(0.1)
    time.sleep(3)


class _Events:
    """Pushes batches of events as the gateway does, each of new messages."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next = 1
        self._seq = 0
        self._token, self._session = new_token(), "bench"
        assert store.intake.holder_acquire(ACCOUNT, self._token, 600_000)
        store.intake.begin_session(ACCOUNT, 0, self._session, "", 0, token=self._token)
        store.facts.put_me(ACCOUNT, {"id": BOT})
        store.facts.put_guild(ACCOUNT, GUILD, guild())

    def drained_per_second(self, worker: int, count: int) -> float:
        """How fast the worker empties lanes that are full already."""
        os.kill(worker, signal.SIGSTOP)
        try:
            for start in range(0, count, 50):
                self._push(min(50, count - start))
        finally:
            began = time.perf_counter()
            os.kill(worker, signal.SIGCONT)
        lanes = [f"inbound:{ACCOUNT}:{FIRST_CHANNEL + number}" for number in range(CHANNELS)]
        for lane in lanes:  # one after the other: asking all of them again and again would cost Redis
            while self._store.lanes.depth(lane):
                time.sleep(0.002)
        return count / (time.perf_counter() - began)

    def _push(self, count: int) -> None:
        batch = [self._event() for _ in range(count)]
        result = self._store.intake.apply(batch, token=self._token)
        assert result.applied == count, result

    def _event(self) -> IntakeEvent:
        data = message(self._next)
        self._next += 1
        follows, self._seq = self._seq, self._seq + 1
        body = encode_event(
            InboundEvent(ACCOUNT, 0, "MESSAGE_CREATE", 0, msgspec.Raw(msgspec.json.encode(data)))
        )
        identity = f"m:{ACCOUNT}:{data['id']}"
        record = Record(identity, "MESSAGE_CREATE", body, account=ACCOUNT, message_id=data["id"])
        return IntakeEvent(
            ACCOUNT,
            0,
            self._session,
            follows,
            self._seq,
            dedup=f"m:{data['id']}",
            lane=f"inbound:{ACCOUNT}:{data['channel_id']}",
            record=record,
            seen=(data["channel_id"], data["id"]),
        )
