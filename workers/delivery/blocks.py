"""Blocks of an answer on their way: the pause between two of them, and what a stop takes back.

A turn sends finished blocks while it still runs (:mod:`workers.agent.block_stream`). Each is an ordinary
send; two things are its own, and both are looked at before its first request (``spec/outbound.md`` 4.6, R7):

* ``humanDelay``: it waits until so long after the block before it. The lane waits and no thread does; what
  goes to other channels is in other lanes.
* A stop of its turn that is younger than the block takes it back.
"""

from __future__ import annotations

import msgspec

from shoal.state.lanes import born_before
from shoal.state.records import Record
from shoal.state.store import Store
from workers.delivery.records import SendOutcome, SendRequest, decode_receipt
from workers.delivery.verdicts import NotYet

__all__ = ["keep_distance", "stopped", "taken_back"]


def keep_distance(request: SendRequest, store: Store, now_ms: int) -> None:
    """Return if the send may begin; at once where the one before it never arrived.

    Raises:
        NotYet: so long after it is not yet over.
    """
    if not request.after or not request.pause_ms:
        return
    receipts = store.receipts.receipt(request.after).values()
    ends = max((decode_receipt(value).at_ms for value in receipts), default=0)
    left_ms = min(ends + request.pause_ms - now_ms, request.pause_ms)
    if left_ms > 0:
        raise NotYet(left_ms, "pause between blocks")


def stopped(request: SendRequest) -> SendRequest:
    """The request as it ends when it is taken back: what it was for is stopped, too."""
    outcomes = tuple(SendOutcome(each.message_id, "stopped") for each in request.outcomes)
    return msgspec.structs.replace(request, outcomes=outcomes)


def taken_back(request: SendRequest, head: Record, store: Store) -> bool:
    """Whether the turn was stopped after it had pushed this."""
    bound = store.lanes.stop_bound(request.of_turn, head.scope) if request.of_turn else None
    return bound is not None and born_before(head, bound)
