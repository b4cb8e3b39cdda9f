"""From the socket to a routed event, without Redis, against discord.py."""

from __future__ import annotations

from pathlib import Path

from bench.readers import discord_py, our_decoding
from bench.stream import StreamServer
from bench.table import Row, alternate, ratio_row


def measure(_folder: Path, quick: bool) -> list[Row]:
    """Receive, inflate, parse, route; the same stream for both."""
    server = StreamServer(3_000 if quick else 20_000)
    try:
        pairs = alternate(lambda: our_decoding(server), lambda: discord_py(server))
    finally:
        server.stop()
    return [ratio_row("decode", "gateway decoding / discord.py with orjson", pairs, bar=3, unit="events/s")]
