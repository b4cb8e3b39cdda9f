"""Fixtures for every part: a real Valkey, an empty store on it for each test, and a judge of requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bench.openapi import the_judge
from shoal.base.errors import StoreUnavailable
from shoal.simulator.log import EventLog
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store
from tests.quick import examples

# no test is judged by the clock: a busy machine draws its examples slowly
settings.register_profile(
    "shoal", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shoal")


class RedisServer:
    """A Valkey of the tests. ``kill`` is SIGKILL; ``restart`` starts it again on the same data."""

    def __init__(self, state_dir: Path, fsync: str) -> None:
        self.state_dir = state_dir
        self.embedded = EmbeddedServer(state_dir, fsync=fsync)
        self.embedded.start()

    @property
    def url(self) -> str:
        """URL with the password, for Store.open and for processes under test."""
        return self.embedded.url()

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.embedded.kill()

    def restart(self) -> None:
        """Start again (after :meth:`kill`)."""
        self.embedded.start()

    def stop(self) -> None:
        """End in good order."""
        self.embedded.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests. A test that kills it restarts it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), fsync="no")
    yield server
    server.stop()


@pytest.fixture
def durable_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own with ``appendfsync always``, as in production; for crash tests."""
    server = RedisServer(tmp_path / "durable", fsync="always")
    yield server
    server.stop()


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[Store]:
    """A store on an empty server."""
    opened = Store.open(redis_server.url, client_name="test")
    try:
        opened.redis.flushall()
    except StoreUnavailable:
        redis_server.restart()  # an earlier test killed it and failed before the restart
        opened.redis.flushall()
    yield opened
    opened.close()


@pytest.fixture
def wrong_requests() -> None:
    """Asked for by tests that send on purpose what Discord refuses; the reason stands in their docstring."""


@pytest.fixture(autouse=True)
def right_requests(request: pytest.FixtureRequest) -> Iterator[None]:
    """What Shoal asks of a simulated Discord in this test fits Discord's own OpenAPI file, and its rules."""
    judge = the_judge()
    found: list[str] = []

    def watch(line: dict[str, Any]) -> None:
        if line["kind"] == "request" and judge is not None:
            found.extend(judge.problems(line))

    EventLog.watchers.append(watch)
    yield
    EventLog.watchers.remove(watch)
    if found and "wrong_requests" not in request.fixturenames:
        pytest.fail("wrong requests to Discord:\n" + "\n".join(dict.fromkeys(found)), pytrace=False)
