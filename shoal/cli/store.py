"""The fleet's Redis, for commands that look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shoal.base.errors import StoreUnavailable

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.store import Store

__all__ = ["opened"]


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
    store = Store.open(url, password=loaded.redis.password, client_name="shoal-cli")
    try:
        try:
            store.redis.ping()
        except StoreUnavailable as error:
            raise (nobody or error) from error
        yield store
    finally:
        store.close()
