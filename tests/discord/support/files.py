"""A file fetched into memory, for tests."""

from __future__ import annotations

from shoal.discord.fetch import Fetched, Limits, Policy
from shoal.discord.transport import Transport


class Memory:
    """A sink that keeps what came."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.starts = 0

    def restart(self) -> None:
        self.data.clear()
        self.starts += 1

    def write(self, data: bytes) -> None:
        self.data += data


def fetch(
    transport: Transport,
    url: str,
    *,
    max_bytes: int = 1_000_000,
    policy: Policy = "cdn",
    idle_s: float = 5.0,
    total_s: float = 10.0,
) -> tuple[bytes, Fetched]:
    """The bytes of a URL and what is said of them."""
    sink = Memory()
    fetched = transport.files.fetch(url, sink, Limits(max_bytes, idle_s, total_s), policy=policy)
    return bytes(sink.data), fetched
