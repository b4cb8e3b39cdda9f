"""What a turn writes of its previews: versions of a slot, and the end (``spec/outbound.md`` 4, rule R9).

What the lane makes of them: :mod:`workers.delivery.previews`.
"""

from __future__ import annotations

import msgspec

from shoal.base.ids import check_name
from shoal.state.effects import Push, Slot
from shoal.state.records import Record
from workers.delivery.records import delivery_lane

__all__ = [
    "END",
    "SLOT",
    "PreviewEnd",
    "PreviewReceipt",
    "PreviewUpdate",
    "closed",
    "end_push",
    "preview_identity",
    "update_slot",
]

SLOT = "slot"
"""``Record.kind`` of what a slot brings; the body is a :class:`PreviewUpdate`."""
END = "preview-end"
"""``Record.kind`` of the end of a turn's previews; the body is a :class:`PreviewEnd`."""


class PreviewUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be seen now.

    Attributes:
        cause: identity of the turn's head.
        generation: which of the turn's previews, from 1.
        text: its whole text; empty: nothing is to be seen.
        first: previews before this one are taken away.
        reply_to: message it answers to, or none.
    """

    account: str
    channel_id: str
    cause: str
    generation: int = 1
    text: str = ""
    first: int = 1
    reply_to: str | None = None
    v: int = 1


class PreviewEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """The turn is over.

    Attributes:
        answer: identity of its final send, which may have become of a preview; empty: there is none.
        keep: nothing is taken away.
    """

    account: str
    channel_id: str
    cause: str
    answer: str = ""
    keep: bool = False
    v: int = 1


class PreviewReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """A preview exists. ``doubt``: it may exist, its id is not known."""

    message_id: str = ""
    reply_to: str | None = None
    doubt: bool = False
    born_ms: int = 0
    """When the record was born that made it, Unix ms by Redis' clock."""
    text: str = ""
    """With ``doubt``: what it said."""
    v: int = 1


def preview_identity(cause: str) -> str:
    """Name of a turn's slot, and of the receipts of its previews."""
    return check_name(f"{cause}.preview", "preview")


def update_slot(update: PreviewUpdate, version: int) -> Slot:
    """The effect that shows ``update``; of a turn's updates the one with the highest version counts."""
    lane = delivery_lane(update.account, update.channel_id)
    return Slot(lane, preview_identity(update.cause), version, msgspec.json.encode(update))


def closed(end: PreviewEnd, version: int) -> Slot:
    """The effect after which no update is taken any more."""
    return Slot(delivery_lane(end.account, end.channel_id), preview_identity(end.cause), version, None)


def end_push(end: PreviewEnd) -> Push:
    """The effect that has the previews of a turn taken away. It stands behind the answer it names."""
    record = Record(f"{preview_identity(end.cause)}.end", END, msgspec.json.encode(end))
    return Push(delivery_lane(end.account, end.channel_id), record)
