"""A small fleet of threads on real lanes: woken by hints only, dying at random, swept."""

from __future__ import annotations

import random
import threading
import time

import pytest

from shoal.base.ids import new_token
from shoal.state.effects import Push
from shoal.state.records import Grant
from shoal.state.store import Store
from tests.state.support import QUEUE, put_hints, record

pytestmark = pytest.mark.waits

LANES = [f"session:agent:main:dm:{number}" for number in range(12)]
RECORDS = 15


def lane_out(lane: str) -> str:
    return f"delivery:{lane.rpartition(':')[2]}"


class Fleet:
    """Workers that read hints as Celery would, and one sweeper."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.seed = seed
        self.stop = threading.Event()
        self.deaths = 0
        self.working: dict[str, int] = {}
        self.overlaps = 0
        self.errors: list[BaseException] = []

    def worker(self, number: int, route: str, mortal: bool) -> None:
        dice = random.Random(self.seed * 100 + number)
        try:
            while not self.stop.is_set():
                hint = self.store.redis.brpop([f"{QUEUE}.{route}"], timeout=0.2)
                if hint is not None:
                    lane = hint[1].decode().split('"')[-2]
                    self.drain(lane, dice, mortal)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.errors.append(error)

    def drain(self, lane: str, dice: random.Random, mortal: bool) -> None:
        ttl = 5000 if not mortal or dice.random() > 0.1 else 100
        grant = self.store.lanes.acquire(lane, new_token(), ttl_ms=ttl, quarantine=not mortal)
        while isinstance(grant, Grant):
            if ttl == 100:
                self.deaths += 1
                return
            self.store.lanes.checkpoint(grant, grant.step + 1, journal=b"started")
            time.sleep(dice.random() * 0.004)
            out = Push(lane_out(lane), record(f"{grant.head.identity}.out"))
            more = dice.random() < 0.5
            grant = self.store.lanes.commit(grant, [out], take_next=more)  # type: ignore[assignment]

    def sweeper(self) -> None:
        try:
            while not self.stop.wait(self.store.lanes.next_due_in(100) / 1000):
                self.store.lanes.sweep("session")
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.errors.append(error)

    def run(self, until: float) -> None:
        jobs = [threading.Thread(target=self.worker, args=(n, "session", True)) for n in range(6)]
        jobs.append(threading.Thread(target=self.worker, args=(9, "session.chores", False)))
        jobs.append(threading.Thread(target=self.sweeper))
        for job in jobs:
            job.start()
        while time.monotonic() < until and any(self.store.lanes.depth(lane) for lane in LANES):
            time.sleep(0.05)
        self.stop.set()
        for job in jobs:
            job.join()


def test_nothing_is_lost_doubled_or_out_of_order(store: Store) -> None:
    put_hints(store)
    seed = random.randrange(1_000_000)
    fleet = Fleet(store, seed)
    for number in range(RECORDS):
        for lane in LANES:
            store.lanes.push(lane, record(f"m:{number}"))
            if number % 3 == 0:
                store.lanes.push(lane, record(f"m:{number}"))
    fleet.run(time.monotonic() + 60)
    assert fleet.errors == [], f"seed {seed}"
    assert fleet.deaths > 0, f"seed {seed}: nobody died"
    assert store.lanes.dead_list() == [], f"seed {seed}"
    for lane in LANES:
        out = store.redis.lrange(store.keys.lane_order(lane_out(lane)), 0, -1)
        assert [name.decode() for name in out] == [f"m:{n}.out" for n in range(RECORDS)], (
            f"seed {seed} {lane}"
        )


def test_a_killed_holder_is_followed_within_ten_seconds(store: Store) -> None:
    """With the real lease, the real sweep period and a free slot (promise 3)."""
    put_hints(store)
    fleet = Fleet(store, 1)
    store.lanes.push(LANES[0], record("m:0"))
    store.redis.delete(f"{QUEUE}.session")
    grant = store.lanes.acquire(LANES[0], new_token())
    assert isinstance(grant, Grant)
    started = time.monotonic()
    fleet.run(started + 30)
    assert time.monotonic() - started < 10
    assert store.lanes.depth(lane_out(LANES[0])) == 1


def test_a_short_delay_is_met_by_a_sweeper_that_asks(store: Store) -> None:
    assert store.lanes.next_due_in() == 500
    store.lanes.push("delivery:1", record("m:1"), delay_ms=200)
    assert 100 < store.lanes.next_due_in() <= 200
    time.sleep(0.2)
    assert store.lanes.next_due_in() == 0
    assert store.redis.hget("shoal:1:clock", "jump") is None
