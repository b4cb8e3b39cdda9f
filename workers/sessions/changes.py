"""A message that was edited or deleted while it waited (``spec/decisions.md`` 52).

The change is a record of its own behind the message in the same session lane. A turn looks
for it once, before it begins: a deleted message starts nothing, an edited one has its new
text. A turn that runs is never changed; a change that comes to the head of its lane found
nothing to change and is dropped without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shoal.state.records import Record
from workers.sessions.records import TurnRequest

__all__ = ["DELETED_REASON", "KIND", "MessageChange", "apply_changes", "change_record"]

KIND = "change"
"""``Record.kind`` of such a record. At the head of a lane it is committed without effect."""

DELETED_REASON = "deleted-before-turn"


class MessageChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """New text of messages, or (``text`` none) their deletion."""

    account: str
    message_ids: tuple[str, ...]
    text: str | None = None
    v: int = 1


def change_record(change: MessageChange, stamp: str) -> Record:
    """The record of a change. ``stamp`` tells two edits of one message apart; it goes into the identity."""
    digits = "".join(char for char in stamp if char.isdigit()) or "0"
    return Record(
        identity=f"change.{change.account}.{change.message_ids[0]}.{digits}",
        kind=KIND,
        body=msgspec.json.encode(change),
        mode="steer",  # so that it shows behind a head; it has no scope and is never absorbed
        account=change.account,
    )


def apply_changes(request: TurnRequest, behind: Iterable[Record]) -> TurnRequest | None:
    """The request as it is now, or ``None`` if its (only) message was deleted.

    Of a batch the deleted messages are struck from the list; its text stays unless all are gone.
    """
    gone: set[str] = set()
    text: str | None = None
    for record in behind:
        if record.kind != KIND:
            continue
        change = msgspec.json.decode(record.body, type=MessageChange)
        if change.account != request.account:
            continue
        if change.text is None:
            gone.update(change.message_ids)
        elif request.message_id in change.message_ids and not request.message_ids:
            text = change.text
    left = tuple(message for message in request.all_message_ids if message not in gone)
    if not left:
        return None
    if text is not None and text != request.text:
        request = msgspec.structs.replace(request, text=text, edited=True)
    if request.message_ids and left != request.message_ids:
        request = msgspec.structs.replace(request, message_ids=left)
    return request
