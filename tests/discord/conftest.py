"""Fixtures: servers that are closed at the end of a test, and transports to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.discord.limiter import Unlimited
from shoal.discord.retry import RetryPolicy
from shoal.discord.transport import Transport
from shoal.state.families import family_of
from shoal.state.store import Store
from tests.discord.support.limiting import Bench
from tests.discord.support.net import AUTHORITY
from tests.discord.support.proxies import ProxyServer
from tests.discord.support.rest import RestServer

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"""Shape of a bot token; the first part says 123456789012345678."""

QUICK = RetryPolicy(attempts=3, min_delay_ms=1, max_delay_ms=30_000, jitter=0.0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def rest_server(stack: ExitStack) -> RestServer:
    """A plain HTTP server."""
    server = RestServer()
    stack.callback(server.close)
    return server


@pytest.fixture
def tls_server(stack: ExitStack) -> RestServer:
    """A server with TLS, as ``api.discord.test``."""
    server = RestServer(tls=True)
    stack.callback(server.close)
    return server


@pytest.fixture
def make_proxy(stack: ExitStack) -> Callable[..., ProxyServer]:
    """Opens proxies: ``make_proxy("socks5", user=…, password=…)``."""

    def make(kind: str, **options: Any) -> ProxyServer:
        server = ProxyServer(kind, **options)
        stack.callback(server.close)
        return server

    return make


@pytest.fixture
def make_transport(stack: ExitStack) -> Callable[..., Transport]:
    """Transports with quick retries, no limiter, and the tests' authority."""

    def make(**options: Any) -> Transport:
        options = {"limiter": Unlimited(), "ca_file": AUTHORITY, "retry": QUICK, **options}
        transport = Transport("default", SecretStr(TOKEN), **options)
        stack.callback(transport.close)
        return transport

    return make


@pytest.fixture
def bench(store: Store) -> Iterator[Bench]:
    """A limiter on an empty store; it may leave declared keys only."""
    yield Bench(store)
    keys = [key.decode() for key in store.redis.scan_iter("*")]
    undeclared = [key for key in keys if family_of(key) is None]
    assert undeclared == []
