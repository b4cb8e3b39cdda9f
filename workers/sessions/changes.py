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
    """The request as it is now, or ``None`` if all its messages were deleted.

    Of a batch, each message has its own text: an edit changes that, a deletion takes it out.
    """
    before = _texts(request)
    texts = dict(before)
    for record in behind:
        if record.kind != KIND:
            continue
        change = msgspec.json.decode(record.body, type=MessageChange)
        if change.account != request.account:
            continue
        for message_id in change.message_ids:
            if message_id not in texts:
                continue
            if change.text is None:
                del texts[message_id]
            else:
                texts[message_id] = change.text
    if not texts:
        return None
    if texts == before:
        return request
    text = "\n".join(texts.values()) if _whole(request) else request.text
    batch = bool(request.message_ids)
    return msgspec.structs.replace(
        request,
        text=text,
        edited=text != request.text,
        message_id=list(texts)[-1],
        message_ids=tuple(texts) if batch else (),
        part_chars=tuple(len(part) for part in texts.values()) if batch and _whole(request) else (),
    )


def _whole(request: TurnRequest) -> bool:
    """Whether it is known which text is whose (a batch of an earlier release does not say)."""
    return len(request.part_chars) == len(request.message_ids)


def _texts(request: TurnRequest) -> dict[str, str]:
    """Message → its text, oldest first."""
    if not request.message_ids:
        return {request.message_id: request.text}
    if not _whole(request):
        return dict.fromkeys(request.message_ids, "")
    texts, at = {}, 0
    for message_id, chars in zip(request.message_ids, request.part_chars, strict=True):
        texts[message_id] = request.text[at : at + chars]
        at += chars + 1
    return texts
