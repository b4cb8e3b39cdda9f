"""What admission reads about messages that wait, or have waited: hold lanes, stops, stories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

from shoal.state.effects import Effect, Push
from shoal.state.ledger import Explanation
from shoal.state.queues import lane_class
from shoal.state.store import Store

__all__ = ["HoldReader", "StoreHolds"]


class HoldReader(Protocol):
    """Reads of Redis, none of them made for a message that cannot be held."""

    def holding(self, lane: str) -> bool:
        """Whether something waits in a hold lane of the channel whose inbound lane the caller holds."""
        ...

    def stop_bound(self, lane: str, scope: str) -> tuple[int, str] | None:
        """The stop in force in a session's lane for a scope: birth and id of the message that stopped."""
        ...

    def stories(self, message_ids: Sequence[str]) -> list[Explanation | None]:
        """What has become of messages of this account so far."""
        ...


class StoreHolds:
    """The reads of one account's view, which lives for a moment and for one lane."""

    def __init__(self, account: str, store: Store) -> None:
        self._account = account
        self._store = store
        self._pushed: set[str] = set()

    def holding(self, lane: str) -> bool:
        """Whether something waits in a hold lane.

        Where nobody is held anywhere, one look serves this view: only the holder of a channel's inbound
        lane puts anything into the channel's hold lanes, and that is the caller.
        """
        return (lane in self._pushed or self._anybody) and self._store.lanes.depth(lane) > 0

    @cached_property
    def _anybody(self) -> bool:
        return self._store.lanes.any("hold")

    def wrote(self, effects: Iterable[Effect]) -> None:
        """These effects are about to be committed."""
        for effect in effects:
            if isinstance(effect, Push) and lane_class(effect.lane) == "hold":
                self._pushed.add(effect.lane)

    def stop_bound(self, lane: str, scope: str) -> tuple[int, str] | None:
        """The stop in force in a session's lane for a scope."""
        return self._store.lanes.stop_bound(lane, scope)

    def stories(self, message_ids: Sequence[str]) -> list[Explanation | None]:
        """What has become of messages so far."""
        return self._store.ledger.explain_all(self._account, message_ids)
