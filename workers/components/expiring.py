"""What becomes of a message's controls when their time is over: they are greyed out (``spec/outbound.md`` 5).

A record is pushed with the message, to be looked at when its controls expire. By then the receipts of
the send tell which message it was. Whatever is disabled already (the controls were used up) stays as it
is, so everything here may be done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.errors import NotFound
from shoal.state.effects import Controls, Push
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit, Step
from shoal.state.store import Store
from workers.components.greying import greyed
from workers.delivery.records import PartReceipt, decode_receipt
from workers.delivery.verdicts import later
from workers.sessions.admission.reactions import reaction_lane

__all__ = ["KIND", "Expiry", "MessageApi", "expire", "expiry_push"]

KIND = "controls-end"
"""``Record.kind``; the body is an :class:`Expiry`."""
AFTER_MS = 500
"""How long after their end Redis has surely forgotten the controls."""
GIVE_UP_MS = 60 * 60_000
"""For so long Discord is asked again."""

log = get_logger(__name__)


class Expiry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The controls of one message, of the send of identity ``send``; they live ``life_ms`` from the push."""

    account: str
    group: str
    send: str
    life_ms: int
    v: int = 1


class MessageApi(Protocol):
    """Calls of :class:`shoal.discord.rest.Rest`; theirs is the background."""

    def get_message(self, channel_id: str, message_id: MessageId) -> dict[str, Any]:
        """One message."""
        ...

    def edit_message(
        self, channel_id: str, message_id: MessageId, *, components: list[dict[str, Any]]
    ) -> Any:
        """Edit one of our messages."""
        ...


def expiry_push(controls: Controls, send: str) -> Push:
    """The effect that has the controls of a send greyed out when they end.

    A lane of its own: nothing else waits for it, and it waits for nothing else.
    """
    body = msgspec.json.encode(Expiry(controls.account, controls.group, send, controls.life_ms))
    record = Record(f"{KIND}.{controls.group}", KIND, body, account=controls.account)
    lane = reaction_lane(controls.account, f"controls-{controls.group}")
    return Push(lane, record, delay_ms=controls.life_ms + AFTER_MS)


def expire(grant: Grant, store: Store, rest: Callable[[str], MessageApi]) -> Step:
    """Grey out what the record at the head of the lane names."""
    expiry = msgspec.json.decode(grant.head.body, type=Expiry)
    late_ms = store.now_ms() - grant.head.born - expiry.life_ms
    receipts = store.receipts.receipt(expiry.send)
    try:
        for _, receipt in sorted(receipts.items(), reverse=True):  # components are on the last part
            if _grey(decode_receipt(receipt), rest(expiry.account)):
                return Commit((), "controls expired · greyed out")
    except ShoalError as error:
        again = later(error, age_ms=late_ms, patience_ms=GIVE_UP_MS)
        if again is not None:
            return again
        log.info("expired controls stay as they are", send=expiry.send, code=error.code, error=error)
        return Commit((), f"gave up: {error.code}")
    return Commit((), "controls expired · nothing to grey out" if receipts else "controls expired · not sent")


def _grey(receipt: PartReceipt, api: MessageApi) -> bool:
    """Whether there was something to grey out."""
    try:
        message = api.get_message(receipt.channel_id, receipt.message_id)
        shown = [one for one in message.get("components") or [] if isinstance(one, dict)]
        if not any(map(_lives, shown)):
            return False
        api.edit_message(receipt.channel_id, receipt.message_id, components=[greyed(one) for one in shown])
    except NotFound:
        return False  # the message is gone
    return True


def _lives(component: dict[str, Any]) -> bool:
    """Greying would change something, besides how files are named."""
    return _disabled(greyed(component)) != _disabled(component)


def _disabled(component: Any) -> list[Any]:
    """``disabled`` of everything in a component, in order."""
    if not isinstance(component, dict):
        return []
    inner = component.get("components")
    below = [*(inner if isinstance(inner, list) else []), component.get("accessory")]
    return [bool(component.get("disabled")), *(flag for one in below for flag in _disabled(one))]
