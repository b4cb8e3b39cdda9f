"""The fleet's Redis, for commands that look at it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shoal.base.errors import ProcessError, StoreUnavailable
from shoal.cli.fleet.layout import Lock

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.store import Store

__all__ = ["opened", "opened_any"]

STARTING_S = 10.0
"""How long a fleet that is just starting is waited for."""


@contextmanager
def opened(loaded: Loaded) -> Iterator[Store]:
    """A connection to the configured or the embedded server, closed afterwards.

    Raises:
        StoreUnavailable: it does not answer; for the embedded one that means no fleet runs.
    """
    from shoal.state.embedded import EmbeddedServer
    from shoal.state.store import Store

    url, nobody = loaded.redis_url, None
    if url is None:
        nobody = StoreUnavailable(f"No fleet runs on {loaded.state_dir}.", fix="Start it with `shoal up`.")
        server = EmbeddedServer(loaded.state_dir)
        if not server.socket_path.exists():
            raise nobody
        url = server.url()
    redis = loaded.redis
    store = Store.open(url, password=redis.password, client_name="shoal-cli", ca_file=redis.ca_file)
    try:
        try:
            store.redis.ping()
        except StoreUnavailable as error:
            raise (nobody or error) from error
        yield store
    finally:
        store.close()


@contextmanager
def opened_any(loaded: Loaded) -> Iterator[Store]:
    """As :func:`opened`, and where no fleet runs the embedded server is started for the moment.

    The state dir is locked meanwhile, so that no fleet starts beside it.

    Raises:
        StoreUnavailable: a configured server does not answer.
        ProcessError: the embedded one cannot be started.
    """
    lock = _lock_if_stopped(loaded) if loaded.redis_url is None else None
    if lock is None:
        with opened(loaded) as store:
            yield store
        return
    from shoal.state.embedded import EmbeddedServer

    server = EmbeddedServer(loaded.state_dir)
    try:
        server.start(tied=True)
        with opened(loaded) as store:
            yield store
    finally:
        server.stop()
        lock.release()


def _lock_if_stopped(loaded: Loaded) -> Lock | None:
    """The lock of the state dir if nobody serves it; None once a server answers."""
    from shoal.state.embedded import EmbeddedServer

    give_up = time.monotonic() + STARTING_S
    while EmbeddedServer(loaded.state_dir).running_pid() is None:
        lock = Lock(loaded.state_dir)
        try:
            lock.acquire()
        except ProcessError:  # a fleet that is starting, or another short command
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
            continue
        return lock
    return None
