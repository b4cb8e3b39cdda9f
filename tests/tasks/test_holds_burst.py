"""A burst through real front workers, one of them killed: nothing is lost, the order is kept (rule R18)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.events import Origin, keep
from shoal.base.ids import snowflake_at
from shoal.state.records import parse_frame
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.tasks.support.front import BOT, GUILD, TOKEN
from workers.sessions.records import KIND, decode_turn

pytestmark = pytest.mark.slow

MESSAGES, CHANNELS, AUTHORS = 5_000, 50, 4


class Workers:
    """Real front workers on one store."""

    def __init__(self, folder: Path, url: str, messages: dict[str, Any]) -> None:
        state = folder / "state"
        state.mkdir(mode=0o700)
        section = {"groupPolicy": "allowlist", "guilds": {GUILD: {"requireMention": False}}}
        (state / "shoal.json").write_text(
            json.dumps({"channels": {"discord": section}, "messages": messages})
        )
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("SHOAL_", "DISCORD_"))
        }
        self.env = {**kept, "SHOAL_STATE_DIR": str(state), "SHOAL_REDIS_URL": url, "DISCORD_BOT_TOKEN": TOKEN}
        self.out = (folder / "out").open("ab")
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, index: int) -> subprocess.Popen[bytes]:
        """One more."""
        command = [sys.executable, "-m", "shoal.cli", "worker", "front", "--index", str(index)]
        process = subprocess.Popen(command, env=self.env, stdout=self.out, stderr=self.out)
        self.running.append(process)
        return process

    def stop(self) -> None:
        """End them."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.out.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def burst(seed: int) -> list[tuple[str, str, str]]:
    """(message id, channel, author) of every message, in the order Discord would send them."""
    rng = random.Random(seed)
    first = snowflake_at(int(time.time() * 1000))
    return [
        (str(first + (number << 20)), str(6_000 + rng.randrange(CHANNELS)), str(100 + rng.randrange(AUTHORS)))
        for number in range(MESSAGES)
    ]


def push(store: Store, said: tuple[str, str, str], rng: random.Random, seq: int) -> None:
    """One message into its channel's lane, as the gateway does it; some come twice, some wait for nobody."""
    message_id, channel, author = said
    data = {
        "id": message_id,
        "channel_id": channel,
        "channel_type": 0,
        "guild_id": GUILD,
        "author": {"id": author, "username": f"user{author}"},
        "member": {"roles": []},
        "content": rng.choice(["hello", "and", "more of it", "/unknown"]),
        "type": 0,
        "message_snapshots": [{"message": {"content": "said elsewhere"}}] if rng.random() < 0.05 else [],
    }
    origin = Origin("default", 0, "s1", seq, BOT, int(time.time() * 1000))
    kept = keep("MESSAGE_CREATE", msgspec.Raw(json.dumps(data).encode()), origin)
    assert kept is not None
    assert kept.lane is not None
    assert kept.record is not None
    for _ in range(2 if rng.random() < 0.1 else 1):
        store.lanes.push(kept.lane, kept.record)


def wait(look: Callable[[], bool], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def at_rest(store: Store) -> bool:
    return not store.lanes.any("inbound") and not store.lanes.any("hold")


def turns(store: Store) -> dict[str, list[Any]]:
    """Channel → its turns in the order of their lane."""
    found: dict[str, list[Any]] = defaultdict(list)
    for info in store.lanes.overview(500, "session"):
        names = store.redis.lrange(store.keys.lane_order(info.lane), 0, -1)
        frames = store.redis.hmget(store.keys.lane_records(info.lane), names)
        for name, frame in zip(names, frames, strict=True):
            record = parse_frame(name, frame)
            if record.kind == KIND:
                turn = decode_turn(record.body)
                found[turn.channel_id].append(turn)
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("window_ms", [0, 250])
def test_a_burst_loses_nothing_and_keeps_every_authors_order(
    window_ms: int, store: Store, redis_server: RedisServer, tmp_path: Path, stack: ExitStack
) -> None:
    messages = {
        "inbound": {"debounceMs": window_ms},
        "queue": {"mode": "followup", "cap": 1_000},
    }
    store.facts.put_me("default", {"id": BOT, "username": "shoal"})
    store.facts.put_guild("default", GUILD, {"id": GUILD, "name": "Reef", "channels": [], "roles": []})
    workers = Workers(tmp_path, redis_server.url, messages)
    stack.callback(workers.stop)
    first = workers.start(1)
    workers.start(2)
    wait(lambda: len([one for one in store.processes.living() if one.kind == "front"]) == 2)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng, said = random.Random(seed), burst(seed)
    for number, one in enumerate(said):
        push(store, one, rng, number + 1)
        if number == MESSAGES // 2:
            assert any(turns(store).values()), "it works while more comes"
            first.kill()
            workers.start(3)
    wait(lambda: at_rest(store), 150)
    found = turns(store)
    merged = [name for lane in found.values() for turn in lane for name in turn.all_message_ids]
    assert sorted(merged) == sorted(name for name, _, _ in said), "each message is in exactly one turn"
    assert store.lanes.dead_list() == []
    for channel, lane in found.items():
        for author in {turn.author_id for turn in lane}:
            order = [name for turn in lane if turn.author_id == author for name in turn.all_message_ids]
            assert order == [name for name, where, who in said if (where, who) == (channel, author)]
    if window_ms:
        assert any(len(turn.message_ids) > 1 for lane in found.values() for turn in lane)
