"""The app: how it comes back to a broker that was away."""

from __future__ import annotations

import threading
import time

import pytest

from tasks.app import QuickConnection, broker_url, build_app
from tests.conftest import RedisServer


@pytest.mark.waits
def test_a_connection_is_back_soon_after_a_long_outage(durable_server: RedisServer) -> None:
    """Kombu's own pauses grow by 2 s each: after 5 s away it would look again at 6 s at the earliest."""
    app = build_app(durable_server.url)
    with app.connection_for_read() as connection:
        assert isinstance(connection, QuickConnection)
        durable_server.kill()
        back = threading.Timer(5.0, durable_server.restart)
        back.start()
        began = time.monotonic()
        connection.ensure_connection(lambda _error, _interval: None)
        took = time.monotonic() - began
        back.join()
        assert connection.connected
    assert took < 5.0 + 10.0
    assert broker_url(durable_server.url).startswith("redis+socket://")


@pytest.mark.waits
def test_pauses_between_tries_stay_short(durable_server: RedisServer) -> None:
    pauses: list[float] = []

    class EnoughError(Exception):
        pass

    def note(_error: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 8:
            raise EnoughError

    connection = build_app(durable_server.url).connection_for_read()
    durable_server.kill()
    try:
        connection.ensure_connection(note)
    except EnoughError:
        pass
    finally:
        connection.release()
    assert len(pauses) == 8
    assert max(pauses) <= 1.0
