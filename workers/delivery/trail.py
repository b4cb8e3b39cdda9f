"""The journal of one delivery as it is written; how it is read: :mod:`workers.delivery.progress`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shoal.base.clock import Clock
from shoal.state.effects import Effect
from shoal.state.lanes import Lanes
from shoal.state.records import Grant
from workers.delivery.progress import Entry, Progress

__all__ = ["Trail"]


class Trail:
    """What one holder of a send has begun, entry by entry.

    Args:
        alive: asked before the request that follows an entry; raises where the work may not go on.

    Attributes:
        head: the record of the send.
        clock: of this process.
        began: part → the time its present try began, Unix ms; 0: no try can have made it.
        since: part → the time its first try began.
        doubtful: parts that an earlier holder began, and that may be out.
        lost: parts of whose present try an answer was lost.
    """

    def __init__(
        self, grant: Grant, progress: Progress, lanes: Lanes, clock: Clock, alive: Callable[[], None]
    ) -> None:
        self._grant = grant
        self._alive = alive
        self._lanes = lanes
        self.head = grant.head
        self.clock = clock
        self._step = grant.step
        self.began: dict[int, int] = dict(progress.started or {})
        self.since: dict[int, int] = dict(progress.since)
        self.doubtful = {part for part, at in self.began.items() if at}
        self.lost = set(progress.lost)

    def now_ms(self) -> int:
        """Wall clock, Unix ms."""
        return int(self.clock.now() * 1000)

    def begin(self, part: int) -> int:
        """The part is about to be sent, says the entry that is written next; the time for that entry."""
        self.began[part] = self.now_ms()
        self.since.setdefault(part, self.began[part])
        return self.began[part]

    def write(self, entry: Entry, *effects: Effect) -> None:
        """Checkpoint an entry, and effects with it.

        Raises:
            StaleGrant: the lane is somebody else's now. StoreUnavailable: Redis is away.
        """
        step = self._step + 1
        self._lanes.checkpoint(self._grant, step, effects, journal=msgspec.json.encode(entry))
        self._step = step

    def begin_anew(self, part: int, *effects: Effect, bot: bool = False) -> None:
        """The part is about to be sent, and this try has its own window; the lease still holds.

        Args:
            bot: from this part on the bot itself speaks.

        Raises:
            StaleGrant: the lane is somebody else's now. Whatever ``alive`` raises.
        """
        self.write(Entry(next=part, at=self.begin(part), bot=bot), *effects)
        self._alive()

    def lose(self, part: int) -> None:
        """The answer to the present try was lost: Discord may have made the part."""
        if part not in self.lost:
            self.lost.add(part)
            self.write(Entry(next=part, at=self.began[part], lost=True))

    def void(self, part: int) -> None:
        """The present try surely made nothing; without this the next one would not dare."""
        self.began[part] = 0
        self.write(Entry(next=part))
