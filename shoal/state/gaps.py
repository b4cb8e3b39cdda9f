"""Gaps: what was missed between two sessions of the gateway, and how it comes back (R19).

When a session is lost, the newest message id of every channel is copied (:meth:`Gaps.open`)
before live events of the next session move it. The copy outlives the process, so a
back-fill that was interrupted goes on. Messages that were fetched enter by
:meth:`Gaps.take_in`: told apart like live ones, put where their birth belongs in the lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.base.errors import StateConflict
from shoal.base.ids import check_name, snowflake_at
from shoal.state.ledger import one_line
from shoal.state.queues import check_lane
from shoal.state.records import Record

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["GAP_LIFE_MS", "Gap", "Gaps", "Late"]

GAP_LIFE_MS = 3_600_000
"""How long an unfinished back-fill is remembered."""
REMEMBERED_MS = 7 * 86_400_000
_SINCE = "~since"


@dataclass(frozen=True, slots=True)
class Gap:
    """``after``: channel → newest message id before the gap; ``since_ms``: the last event before it."""

    after: dict[str, str]
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Late:
    """A fetched message; the fields mean what they mean in :class:`shoal.state.intake.IntakeEvent`."""

    dedup: str
    lane: str | None = None
    record: Record | None = None
    seen: tuple[str, str] | None = None
    outcome: tuple[str, str, str] | None = None


class Gaps:
    """The store's side of the back-fill."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, account: str, shard: int, *, token: str) -> int:
        """Remember the newest message of each channel that had one in the last 7 days; how many there are.

        Twice is once, and what an unfinished back-fill remembers is kept.

        Raises:
            StateConflict: ``holder``: the account is somebody else's now.
        """
        oldest = str(snowflake_at(self._store.now_ms() - REMEMBERED_MS))
        reply = self._store.script("intake_gap")(
            token, check_name(account, "account"), int(shard), oldest, GAP_LIFE_MS
        )
        return int(_answer(reply, "intake_gap")[1])

    def read(self, account: str, shard: int) -> Gap | None:
        """The gap that is being filled, or ``None``."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.gap(account, shard))
        if not raw:
            return None
        after = {channel.decode(): message.decode() for channel, message in raw.items()}
        since = after.pop(_SINCE, None)
        return Gap(after, int(since) if since else None)

    def done(self, account: str, shard: int, channels: Iterable[str]) -> None:
        """These channels have been looked at."""
        names = list(channels)
        for start in range(0, len(names), 1000):
            self._store.redis.hdel(self._store.keys.gap(account, shard), *names[start : start + 1000])

    def close(self, account: str, shard: int) -> None:
        """The back-fill is over."""
        self._store.redis.delete(self._store.keys.gap(account, shard))

    def take_in(self, account: str, shard: int, late: Late, *, token: str) -> bool:
        """Store a fetched message; False if it had been taken in before.

        Raises:
            StateConflict: ``holder``, or the script refuses this message.
            InvalidName, ValueError: the message must not become part of a key, or is too large.
        """
        channel, newest = late.seen or ("", "")
        message, outcome, reason = late.outcome or ("", "", "")
        reply = self._store.script("intake_back")(
            token,
            check_name(account, "account"),
            int(shard),
            check_name(late.dedup, "dedup identity"),
            check_lane(late.lane) if late.lane else "",
            late.record.identity if late.record else "",
            late.record.frame() if late.record else b"",
            channel,
            newest,
            message,
            outcome,
            one_line(reason),
        )
        return bool(_answer(reply, "intake_back")[0] == b"ok")

    def hold(self, lanes: Sequence[str], *, deadline_ms: int) -> None:
        """Hold many lanes (:meth:`Lanes.hold`) in one round trip; ``deadline_ms`` 0 ends their holds."""
        if not lanes:
            return
        self._store.lanes.hold(lanes[0], deadline_ms=deadline_ms)  # loads the script
        script = self._store.script("lane_hold")
        for start in range(1, len(lanes), 200):
            pipeline = self._store.redis.pipeline(transaction=False)
            for lane in lanes[start : start + 200]:
                script.queue(pipeline, check_lane(lane), int(deadline_ms))
            pipeline.execute()


def _answer(reply: list[bytes], script: str) -> list[bytes]:
    if reply[0] in (b"refused", b"conflict"):
        raise StateConflict(reply[1].decode(), script)
    return reply
