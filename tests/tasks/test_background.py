"""The threads behind every worker survive whatever the store or a record does to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import tasks.keeper
import tasks.runtime
import tasks.sweeper
from shoal.base.errors import StoreUnsuitable
from shoal.base.ids import new_token
from shoal.state.lanes import LEASE_MS
from shoal.state.processes import Processes
from shoal.state.records import Grant, Record
from shoal.state.store import Store
from tasks.keeper import Keeper
from tasks.runtime import Runtime
from tasks.stopping import Stopping
from tasks.sweeper import Sweeper
from tests.conftest import RedisServer

LANE = "session:agent:main:main"


class Held:
    """Work that moves, and counts its renewals."""

    step_name = "test"
    quiet_s = 0.0

    def __init__(self) -> None:
        self.renewals = 0

    def progressing(self) -> bool:
        return True

    def lose(self) -> None:
        """Told by the keeper when the lease is gone."""

    def renewed(self, asked_at: float) -> None:
        del asked_at
        self.renewals += 1


def until(look: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.02)
    return False


def test_leases_are_renewed_again_after_the_password_was_wrong_for_a_while(
    durable_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.keeper, "RENEW_EVERY_S", 0.05)
    store = Store.open(durable_server.url)
    admin = Store.open(durable_server.url)
    password = admin.redis.config_get("requirepass")["requirepass"]
    store.lanes.push(LANE, Record(identity="a", kind="test", body=b"{}"))
    grant = store.lanes.acquire(LANE, new_token(), ttl_ms=LEASE_MS)
    assert isinstance(grant, Grant)
    keeper, held = Keeper(store.lanes, on_leak=lambda: None), Held()
    keeper.start()
    with keeper.holding(grant, held):
        assert until(lambda: held.renewals > 0)
        admin.redis.config_set("requirepass", "another-one")
        admin.redis.client_kill_filter(skipme=True, _type="normal")
        with pytest.raises(StoreUnsuitable):
            store.redis.ping()
        time.sleep(0.5)
        before = held.renewals
        admin.redis.config_set("requirepass", password)
        assert until(lambda: held.renewals > before)
    keeper.stop()
    store.close()
    admin.close()


def test_a_record_that_breaks_the_sweep_does_not_end_it(store: Store) -> None:
    broke, again = threading.Event(), threading.Event()

    def tell() -> None:
        if not broke.is_set():
            broke.set()
            raise ValueError("a record nobody thought of")
        again.set()

    stopping = Stopping(leave=lambda _code: None)
    Sweeper(store, stopping, tell).start()
    assert broke.wait(20)
    assert again.wait(20)
    stopping.request(grace_s=3600)


def test_a_process_is_announced_again_whatever_went_wrong(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.runtime, "ANNOUNCE_EVERY_S", 0.02)
    announce, failed = Processes.announce, threading.Event()

    def first_fails(*args: Any, **more: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("nobody thought of this")
        announce(*args, **more)

    monkeypatch.setattr(Processes, "announce", first_fails)
    runtime.start()
    assert until(lambda: bool(runtime.store.processes.living()))
    assert failed.is_set()
    assert not runtime.stopping.requested
