"""Servers beside Discord that are not asked for a while, because they did not answer: shared by the fleet.

A *circuit* closes a way that leads nowhere: after :data:`MANY` failures in a row nobody asks for half a
minute, after the next failure for a minute, and so on up to five. When the pause ends the next question is
the trial: its answer forgets everything, its failure begins the next pause. Pauses are keys that end by
themselves, so only Redis' clock counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal.base.logging import get_logger

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["MANY", "PAUSES_S", "Circuit"]

MANY = 5
"""Failures in a row before the first pause."""
PAUSES_S = (30, 60, 120, 300)
FORGET_S = 900
"""So long after the last failure they are no row any more."""

log = get_logger(__name__)


class Circuit:
    """One way out. Thread-safe; made anew for each use.

    Args:
        account: whose way (each has its own proxy).
        name: of the server, for logs and the key.
    """

    def __init__(self, store: Store, account: str, name: str) -> None:
        self._redis = store.redis
        self._pause = store.keys.circuit(account, name)
        self._fails = store.keys.circuit_fails(account, name)
        self._account, self._name = account, name
        self._failing = False

    def reason(self) -> str:
        """Why the server is not to be asked now; empty if it may be."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.get(self._pause)
        pipeline.exists(self._fails)
        raw, failing = pipeline.execute()
        self._failing = bool(failing)
        return raw.decode("utf-8", "replace") if raw else ""

    def failed(self, reason: str) -> None:
        """The server did not answer, or too slowly."""
        self._failing = True
        pipeline = self._redis.pipeline()
        pipeline.incr(self._fails)
        pipeline.expire(self._fails, FORGET_S)
        count = int(pipeline.execute()[0])
        if count < MANY:
            return
        pause_s = PAUSES_S[min(count - MANY, len(PAUSES_S) - 1)]
        # those that had asked at the same time fail, too: theirs is the same pause
        if self._redis.set(self._pause, reason, px=pause_s * 1000, nx=True):
            log.warning(
                "a server is not asked for a while",
                account=self._account,
                server=self._name,
                reason=reason,
                seconds=pause_s,
            )

    def succeeded(self) -> None:
        """It answered: forget its failures. Costs nothing where :meth:`reason` saw none."""
        if self._failing:
            self._redis.delete(self._pause, self._fails)
