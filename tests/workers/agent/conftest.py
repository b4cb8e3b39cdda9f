"""Fixtures of the agent's tests: model servers and proxies that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.workers.agent.support.server import ChatServer, CountingProxy, Reply, Script


@pytest.fixture
def chat_server() -> Iterator[Callable[[list[Reply] | Script], ChatServer]]:
    """Starts scripted chat completion servers."""
    started: list[ChatServer] = []

    def start(script: list[Reply] | Script) -> ChatServer:
        started.append(ChatServer(script))
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
