"""Fixtures of the agent's tests: model servers and proxies that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from shoal.simulator.models import ModelServer
from tests.workers.agent.support.server import CountingProxy


@pytest.fixture
def chat_server() -> Iterator[Callable[..., ModelServer]]:
    """Starts scripted model servers; see :mod:`shoal.simulator.model_script` for the rules."""
    started: list[ModelServer] = []

    def start(rules: Sequence[Mapping[str, Any]], **options: Any) -> ModelServer:
        started.append(ModelServer(script=rules, **options).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def proxy_server() -> Iterator[Callable[..., CountingProxy]]:
    """Starts proxies."""
    started: list[CountingProxy] = []

    def start(kind: str = "http", upstream: tuple[str, int] | None = None) -> CountingProxy:
        started.append(CountingProxy(kind, upstream))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()
