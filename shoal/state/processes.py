"""Which processes live, what they read, what they say about themselves (R26).

A process announces itself every few seconds; the entry ends with its time to live. What it reads is for a
release with a second version of records: its producers write the highest that all living processes read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Process", "Processes"]


@dataclass(frozen=True, slots=True)
class Process:
    """One living process. ``name`` is ``kind.host.pid``; times are Unix ms of Redis' clock."""

    name: str
    kind: str
    host: str
    pid: int
    reads: tuple[int, int]
    at_ms: int
    info: dict[str, Any] = field(default_factory=dict)


class Processes:
    """The heartbeat registry."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def name(kind: str, host: str, pid: int) -> str:
        """``kind.host.pid`` with what keys do not allow replaced by ``-``."""
        return check_name(_plain(f"{kind}.{host}.{pid}")[:200])

    def announce(
        self,
        kind: str,
        host: str,
        pid: int,
        reads: tuple[int, int] = (1, 1),
        info: Mapping[str, Any] | None = None,
        ttl: float = 15.0,
    ) -> None:
        """Say that a process lives for another ``ttl`` seconds; ``info`` is JSON-able, without secrets."""
        name = self.name(kind, host, pid)
        self._store.script("process_announce")(
            name, int(ttl * 1000), kind, host, int(pid), int(reads[0]), int(reads[1]),
            msgspec.json.encode(dict(info or {})),
        )  # fmt: skip

    def begin(self, host: str, run: str) -> str:
        """A process of a fleet begins, before it looks at any lane.

        Args:
            run: an id that all processes of one ``shoal up`` share; empty for a process without a supervisor.

        Returns:
            Whose this process's grants are, for :meth:`~shoal.state.lanes.Lanes.acquire`. Grants of an
            earlier run of this host are known to have gone down with it from now on (R13).
        """
        if not run:
            return ""
        name = _plain(host)[:150]
        self._store.redis.hset(self._store.keys.runs(), name, check_name(run, "run"))
        return f"{name}:{run}"

    def leave(self, kind: str, host: str, pid: int) -> None:
        """A process ends in good order."""
        name = self.name(kind, host, pid)
        pipeline = self._store.redis.pipeline(transaction=True)
        pipeline.delete(self._store.keys.process(name)).zrem(self._store.keys.processes(), name)
        pipeline.execute()

    def living(self) -> list[Process]:
        """All processes whose heartbeat has not ended, by name."""
        names: list[bytes] = self._store.redis.zrange(self._store.keys.processes(), 0, -1)
        pipeline = self._store.redis.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(self._store.keys.process(name.decode()))
        found = []
        for name, raw in zip(names, pipeline.execute(), strict=True):
            if raw:
                found.append(_process(name.decode(), raw))
        return sorted(found, key=lambda process: process.name)


def _plain(raw: str) -> str:
    return "".join(c if (c.isalnum() and c.isascii()) or c in ".-_" else "-" for c in raw.lower())


def _process(name: str, raw: Mapping[bytes, bytes]) -> Process:
    return Process(
        name=name,
        kind=raw[b"kind"].decode(),
        host=raw[b"host"].decode(),
        pid=int(raw[b"pid"]),
        reads=(int(raw[b"min"]), int(raw[b"max"])),
        at_ms=int(raw[b"at"]),
        info=msgspec.json.decode(raw[b"info"]),
    )
