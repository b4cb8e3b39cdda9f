"""A message with what was looked up about it: asked for in Redis, and laid over what Discord had sent."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from shoal.state.lookups import Asked
from shoal.state.records import InboundEvent
from workers.sessions.admission.arrival import Arrival, arrive
from workers.sessions.admission.hold import questions
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Malformed, WireMessage, read_message

__all__ = ["inform"]

ROUNDS = 4
"""An answer may raise the next question: who speaks, then which roles he has."""


def inform(event: InboundEvent, message: WireMessage, view: AdmissionView) -> Arrival:
    """A message with the answers that are there. A message that raises no question costs no read."""
    answers: dict[Asked, bytes] = {}
    tried: set[Asked] = set()
    arrival = arrive(event, message, view)
    for _ in range(ROUNDS):
        fresh = [asked for asked in questions(arrival, view) if asked not in tried]
        if not fresh:
            break
        tried.update(fresh)
        found = view.answers(fresh)
        if not found:
            break
        answers |= found
        whole = complete(message, answers.get(Asked(event.account, "message", message.id)))
        arrival = arrive(event, whole, view, answers=answers)
    return arrival


def complete(message: WireMessage, answer: bytes | None) -> WireMessage:
    """What REST says of a message, laid over what the event said (``spec/inbound.md`` 6.2).

    What the event knew stays: its member, its guild, and whatever REST leaves out. A message that is
    gone, or an answer that cannot be read, changes nothing.
    """
    if answer is None or answer == b"null":
        return message
    try:
        found = read_message(msgspec.Raw(answer))
    except Malformed:
        return message
    if (found.id, found.channel_id) != (message.id, message.channel_id):
        return message
    old, new = message.body, found.body
    body = replace(
        old,
        content=new.content or old.content,
        attachments=new.attachments or old.attachments,
        stickers=new.stickers or old.stickers,
        embeds=new.embeds or old.embeds,
        components=new.components or old.components,
        poll=new.poll or old.poll,
        mentions=new.mentions or old.mentions,
    )
    return replace(
        message,
        body=body,
        mentions=found.mentions or message.mentions,
        mention_roles=found.mention_roles or message.mention_roles,
        mention_everyone=found.mention_everyone or message.mention_everyone,
        referenced=found.referenced or message.referenced,
        snapshots=found.snapshots or message.snapshots,
        reference_missing=False,
    )
