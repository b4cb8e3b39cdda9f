"""What becomes of a message's controls when their time is over: they are greyed out (``spec/outbound.md`` 5).

A record is pushed by the commit of the send (:mod:`workers.delivery.controls`), to be looked at when its
controls expire. Whatever is disabled already (the controls were used up) stays as it is, so everything here
may be done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.errors import NotFound
from shoal.state.records import Grant
from shoal.state.steps import Commit, Step
from shoal.state.store import Store
from workers.components.greying import greyed
from workers.delivery.controls import Expiry
from workers.delivery.verdicts import later

__all__ = ["MessageApi", "expire"]

GIVE_UP_MS = 60 * 60_000
"""For so long Discord is asked again."""

log = get_logger(__name__)


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


def expire(grant: Grant, store: Store, rest: Callable[[str], MessageApi]) -> Step:
    """Grey out what the record at the head of the lane names."""
    expiry = msgspec.json.decode(grant.head.body, type=Expiry)
    try:
        done = _grey(expiry, rest(expiry.account))
    except ShoalError as error:
        late_ms = store.now_ms() - grant.head.born - expiry.life_ms
        again = later(error, age_ms=late_ms, patience_ms=GIVE_UP_MS)
        if again is not None:
            return again
        log.info("expired controls stay as they are", message=expiry.message_id, code=error.code, error=error)
        return Commit((), f"gave up: {error.code}")
    return Commit((), f"controls expired · {'greyed out' if done else 'nothing to grey out'}")


def _grey(expiry: Expiry, api: MessageApi) -> bool:
    """Whether there was something to grey out."""
    try:
        message = api.get_message(expiry.channel_id, expiry.message_id)
        shown = [one for one in message.get("components") or [] if isinstance(one, dict)]
        if not any(map(_lives, shown)):
            return False
        api.edit_message(expiry.channel_id, expiry.message_id, components=[greyed(one) for one in shown])
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
