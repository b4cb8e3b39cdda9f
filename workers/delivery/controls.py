"""The controls of a send: remembered before anybody can press them, and an end that is known beforehand.

They travel with the send and are written when its first part is about to go out, so that no click is too
early. Their time counts from the moment the message is out, however long it waited in its lane
(``spec/outbound.md`` 5.4): the commit that closes the send begins it anew, and pushes the record that has
them greyed out when it is over (:mod:`workers.components.expiring`).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shoal.base.ids import MessageId
from shoal.state.effects import Control, Controls, Effect, Push
from shoal.state.records import Record
from workers.delivery.records import KeptControls, PartReceipt, SendRequest
from workers.sessions.admission.reactions import reaction_lane

__all__ = ["EXPIRY", "Expiry", "begun_anew", "remembered"]

EXPIRY = "controls-end"
"""``Record.kind``; the body is an :class:`Expiry`."""
AFTER_MS = 500
"""How long after their end Redis has surely forgotten the controls."""


class Expiry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The message whose controls end ``life_ms`` after the record was born."""

    account: str
    group: str
    channel_id: str
    message_id: MessageId
    life_ms: int
    v: int = 1


def remembered(account: str, kept: KeptControls) -> Controls:
    """The effect that remembers them; written again, it lets their life begin anew."""
    controls = [Control(one.id, one.body, one.reusable) for one in kept.controls]
    return Controls(account, kept.group, kept.life_ms, controls)


def begun_anew(request: SendRequest, sent: Mapping[int, PartReceipt]) -> list[Effect]:
    """The controls of a send that is out, and what will grey them out; components are on its last part.

    A lane of its own: nothing else waits for it, and it waits for nothing else.
    """
    kept = request.controls
    if kept is None or not sent:
        return []
    last = sent[max(sent)]
    body = Expiry(request.account, kept.group, last.channel_id, last.message_id, kept.life_ms)
    record = Record(f"{EXPIRY}.{kept.group}", EXPIRY, msgspec.json.encode(body), account=request.account)
    lane = reaction_lane(request.account, f"controls-{kept.group}")
    return [remembered(request.account, kept), Push(lane, record, delay_ms=kept.life_ms + AFTER_MS)]
