"""Stopping is ours (rules R12, R13, R24): one way to leave, for SIGTERM, ``drain`` and leaked threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shoal.base import exits
from shoal.base.ids import new_token
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit
from shoal.state.store import Store
from tasks.app import QUEUE_PREFIX, build_app
from tasks.drain import Drain
from tasks.keeper import Keeper
from tasks.stopping import SharedFlag, Stopping
from tests.conftest import RedisServer

TOKEN = "MTMwMDAwMDAwMDAwMDAwMDAw.GTest1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


def until(look: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Work:
    """Work under a grant that moves, or does not."""

    step_name = "test"
    quiet_s = 0.0

    def __init__(self, moves: bool = True) -> None:
        self.moves = moves
        self.lost = False

    def progressing(self) -> bool:
        return self.moves

    def lose(self) -> None:
        self.lost = True

    def renewed(self, asked_at: float) -> None:
        """Nothing to note."""


def test_the_first_code_that_says_something_stays() -> None:
    told: list[int] = []
    stopping = Stopping(leave=lambda _code: None)
    stopping.on_request(told.append)
    stopping.request(grace_s=3600)
    stopping.request(exits.BUG, grace_s=3600)
    stopping.request(grace_s=3600)
    assert stopping.requested
    assert told == [0, exits.BUG, exits.BUG]
    assert stopping.code == exits.BUG


def test_the_hard_end_gives_lanes_back_and_nobody_is_suspected(store: Store) -> None:
    """A process that leaves late is no dead holder (rule R13: shutdown counts nothing)."""
    left: list[int] = []
    stopping = Stopping(leave=left.append)
    keeper = Keeper(store.lanes, on_leak=lambda: None)
    stopping.at_end(keeper.give_back)
    stopping.at_end(lambda: time.sleep(3600))  # what hangs does not keep the process
    grants = {}
    for number, work in ((1, Work()), (2, Work(moves=False))):
        lane = f"inbound:default:{number}"
        store.lanes.push(lane, Record(identity="a", kind="test", body=b""))
        grant = store.lanes.acquire(lane, new_token(), ttl_ms=60_000)
        assert isinstance(grant, Grant)
        grants[grant.lane] = (grant, work)
    (busy, work), (stuck, hung) = grants.values()
    with keeper.holding(busy, work), keeper.holding(stuck, hung):
        keeper.renew_once()
        stopping.request(exits.BUG, grace_s=0.05)
        until(lambda: bool(left))
    assert left == [exits.BUG]
    assert work.lost
    again = store.lanes.acquire(busy.lane, new_token())
    assert isinstance(again, Grant)
    assert again.suspects == 0
    # one that stands still is found by its lease, which runs out and counts
    assert not isinstance(store.lanes.acquire(stuck.lane, new_token()), Grant)


def test_a_process_that_leaves_takes_no_lane(store: Store) -> None:
    stopping = Stopping(leave=lambda _code: None)
    drain = Drain(store.lanes, Keeper(store.lanes, on_leak=stopping.request), stopping)
    store.lanes.push("inbound:default:1", Record(identity="a", kind="test", body=b""))
    stopping.request(grace_s=3600)
    assert drain.run("inbound:default:1", lambda _grant, _context: Commit()) == "stopping"
    assert store.lanes.depth("inbound:default:1") == 1


def test_a_child_follows_its_parent() -> None:
    flag = SharedFlag()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        stopping = Stopping(leave=lambda _code: None)
        stopping.follow(flag)
        os.write(write, b"1")
        os._exit(7 if stopping.wait(20) else 1)
    os.read(read, 1)
    flag.raise_()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


@contextmanager
def worker(
    kind: str, mode: str, grace_s: float, server: RedisServer, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A worker process whose admission hangs or works long, and the file it writes what it took."""
    (folder / "shoal.json").write_text("{}")
    env = {
        **os.environ,
        "SHOAL_STATE_DIR": str(folder),
        "SHOAL_REDIS_URL": server.url,
        "DISCORD_BOT_TOKEN": TOKEN,
    }
    taken = folder / "taken"
    command = [sys.executable, "-m", "tests.tasks.support.worker", kind, mode, str(grace_s), str(taken)]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        try:
            until(lambda: b"worker is ready" in (folder / "out").read_bytes())
            yield process, taken
        finally:
            process.kill()
            process.wait()


def taken_lanes(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


@pytest.mark.slow
def test_leaked_threads_end_the_process_with_70_and_it_takes_nothing_more(
    durable_server: RedisServer, tmp_path: Path
) -> None:
    """Rule R24. A process that stops but goes on consuming would take and drop hints for all that time."""
    store = Store.open(durable_server.url)
    with worker("front", "hang", 6.0, durable_server, tmp_path) as (process, file):
        for number in (1, 2):
            store.lanes.push(f"inbound:default:{number}", Record(identity="a", kind="x", body=b""))
        until(lambda: b"stopping" in (tmp_path / "out").read_bytes())
        time.sleep(2.0)  # Celery's loop looks once a second
        for number in (3, 4, 5):
            store.lanes.push(f"inbound:default:{number}", Record(identity="a", kind="x", body=b""))
        assert process.wait(30) == exits.BUG
        assert sorted(taken_lanes(file)) == ["inbound:default:1", "inbound:default:2"]
        assert store.redis.llen(f"{QUEUE_PREFIX}inbound") == 3, "it went on taking hints"
    store.close()


@pytest.mark.slow
def test_a_long_turn_in_quarantine_is_given_back_when_the_worker_stops(
    durable_server: RedisServer, tmp_path: Path
) -> None:
    """Rule R13: a holder that dies alone in quarantine proves a poison; a shutdown must not look like it."""
    store = Store.open(durable_server.url)
    app = build_app(durable_server.url)
    lane = "inbound:default:1"
    with worker("chores", "work", 20.0, durable_server, tmp_path) as (process, file):
        store.lanes.push(lane, Record(identity="a", kind="x", body=b""))
        app.send_task("inbound.admit", args=(lane,), queue="chores")
        until(lambda: taken_lanes(file) == [lane])
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant), "the lane was left behind"
    assert grant.suspects == 0
    store.close()
