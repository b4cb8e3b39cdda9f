"""The bounded read-ahead between the reader of the socket and the writer to Redis.

When it is full the reader waits, the socket fills, and Discord's own buffers and RESUME
cover the gap: nothing is ever dropped here (``spec/decisions.md`` 25). Dispatches that
only move the cursor melt into one entry, so chatter costs neither room nor round trips.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import msgspec

from gateway.decode import Frame
from gateway.events import Kept, Malformed, Origin, keep
from gateway.facts import FACT_EVENTS
from gateway.session import SessionState

__all__ = ["Buffer", "Item", "sort"]

MAX_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Item:
    """One dispatch on its way into Redis.

    Attributes:
        session_id, follows, seq: its place in the chain.
        event: Discord's name of the dispatch; ``""`` for a mere move of the cursor.
        received: monotonic second at which its frame was read.
        kept: what to store, if anything.
        fact: raw payload whose facts are applied first.
        bad: why it cannot be stored; it goes to the dead with ``payload``.
        begin: a READY: the session that starts here. ``lost``: the session ends here.
        go_on: no dispatch: a back-fill that a gateway before us left open is taken up.
    """

    session_id: str
    follows: int
    seq: int
    event: str = ""
    received: float = 0.0
    kept: Kept | None = None
    fact: msgspec.Raw | None = None
    bad: str | None = None
    payload: bytes = b""
    begin: SessionState | None = None
    lost: bool = False
    go_on: bool = False
    size: int = 0

    @property
    def bare(self) -> bool:
        """Only moves the cursor."""
        return not (self.kept or self.fact is not None or self.bad or self.begin or self.lost or self.go_on)


def sort(item: Item, frame: Frame, origin: Origin) -> None:
    """Fill an item from its dispatch: kept, a fact, both, malformed, or a mere move of the cursor."""
    event = frame.t or ""
    try:
        item.kept = keep(event, frame.d, origin)
    except Malformed as error:
        item.bad, item.payload = error.message, bytes(frame.d)
    if event in FACT_EVENTS:
        item.fact = frame.d
    if not item.bare:
        item.event, item.size = event, memoryview(frame.d).nbytes


class Buffer:
    """A queue of items with a limit in number and bytes. One reader puts, one writer takes."""

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._dropping = False
        self.paused: str | None = None
        """Why nothing is taken for now, or ``None``."""

    def __len__(self) -> int:
        return len(self._items)

    def full(self) -> bool:
        """Whether :meth:`put` would wait."""
        return self.paused is not None or len(self._items) >= self._limit or self._bytes >= self._max_bytes

    def pause(self, reason: str | None) -> None:
        """Take nothing more for a reason, or (None) go on; what is inside can still be taken."""
        with self._changed:
            self.paused = reason
            self._changed.notify_all()

    def put(self, item: Item) -> bool:
        """Add an item, waiting for room. False if it was not taken: closed, or dropping after a restore."""
        with self._changed:
            if self._melt(item):
                return True
            self._changed.wait_for(lambda: self._closed or self._dropping or not self.full())
            if self._closed or self._dropping:
                return False
            self._items.append(item)
            self._bytes += item.size
            self._changed.notify_all()
            return True

    def _melt(self, item: Item) -> bool:
        """Let a bare item disappear into a bare one at the end."""
        if not self._items or self._closed or self._dropping or not item.bare:
            return False
        last = self._items[-1]
        if not last.bare or last.session_id != item.session_id or last.seq != item.follows:
            return False
        last.seq = item.seq
        return True

    def take(self, limit: int, timeout: float) -> list[Item]:
        """Up to ``limit`` items in order; empty after ``timeout`` seconds without any."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            self._bytes -= sum(item.size for item in taken)
            if taken:
                self._changed.notify_all()
            return taken

    def drop(self) -> int:
        """Throw everything away and refuse what comes, until :meth:`reopen`: it will be replayed."""
        with self._changed:
            dropped = len(self._items)
            self._items.clear()
            self._bytes = 0
            self._dropping = True
            self._changed.notify_all()
            return dropped

    def reopen(self) -> None:
        """Take items again."""
        with self._changed:
            self._dropping = False

    def close(self) -> None:
        """Take no more; what is inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed
