"""What became of a send, for whoever asked for it and waits: a turn, or ``shoal message``."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.state.store import Store
from workers.delivery.records import PartReceipt, decode_receipt
from workers.delivery.refused import standing
from workers.delivery.verdicts import is_unknown

__all__ = ["Fate", "fate_of"]


@dataclass(frozen=True, slots=True)
class Fate:
    """How a send stands.

    Attributes:
        queued: its record is still in the lane.
        parts: receipts of what is out, in order.
        unknown: nothing is known to be out, and it may have been sent all the same (promise 4).
        why: why nothing was sent, as far as that is known.
    """

    queued: bool = False
    parts: tuple[PartReceipt, ...] = ()
    unknown: bool = False
    why: str = ""


def fate_of(store: Store, account: str, lane: str, identity: str, channel_id: str) -> Fate:
    """Look at a send.

    Args:
        lane, identity: where its record is or was.
        channel_id: where it goes.
    """
    # order matters: receipts are written before the record leaves its lane
    queued = bool(store.redis.hexists(store.keys.lane_records(lane), identity))
    receipts = store.receipts.receipt(identity)
    parts = tuple(decode_receipt(value) for _, value in sorted(receipts.items()))
    if queued or parts:
        return Fate(queued, parts)
    dead = store.lanes.dead_of(lane, identity)
    if dead is not None:
        return Fate(unknown=is_unknown(dead.code), why=dead.reason)
    refusal, stands = standing(store, account, channel_id)
    return Fate(why=refusal.why if refusal is not None and stands else "")
