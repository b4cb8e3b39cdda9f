"""From the socket to a durable record in Redis, against discord.py that only dispatches in memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bench.readers import discord_py, our_intake
from bench.stream import StreamServer
from bench.table import Row, alternate, ratio_row
from shoal.base.logging import setup_logging
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store


def measure(folder: Path, quick: bool) -> list[Row]:
    """The embedded server as the product starts it: every write is on disk before it is confirmed."""
    redis = EmbeddedServer(folder / "redis", fsync="always")
    redis.start()
    server = StreamServer(3_000 if quick else 20_000)
    store = Store.open(redis.url(), client_name="bench")
    try:
        store.check()
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            setup_logging("bench", state_dir=folder)  # what the gateway says goes to a file, as in a fleet
            pairs = alternate(lambda: our_intake(server, store), lambda: discord_py(server))
    finally:
        store.close()
        server.stop()
        redis.stop()
    return [ratio_row("ingest", "durable intake / discord.py in memory", pairs, bar=0.7, unit="events/s")]
