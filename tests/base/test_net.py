"""Which hosts are this machine by their very names."""

from __future__ import annotations

import pytest

from shoal.base.net import is_loopback
from shoal.state.client import is_local


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "127.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0"])
def test_another_one(host: str) -> None:
    assert not is_loopback(host)
    assert not is_loopback(host, below=True)


def test_names_below_localhost_count_only_where_asked() -> None:
    assert not is_loopback("model.localhost")
    assert is_loopback("model.localhost", below=True)


def test_a_server_whose_name_begins_like_the_loopback_needs_tls() -> None:
    """Rule R30: beyond this machine Redis wants TLS and a password."""
    assert not is_local("redis://127.evil.example:6379/0")
    assert is_local("redis://127.0.0.2:6379/0")
