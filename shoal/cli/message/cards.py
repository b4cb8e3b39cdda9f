"""``--presentation``: a card of an operator's (``spec/outbound.md`` 5.1); its agent is told of clicks."""

from __future__ import annotations

from typing import Any

import msgspec

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE
from shoal.cli.message.routes import conversation_in
from shoal.cli.message.run import Operator
from workers.actions.dry import Showing
from workers.components.encode import Origin
from workers.components.sending import ComponentSettings, Made, make_presentation
from workers.delivery.outgoing import distinct
from workers.delivery.records import SendRequest

__all__ = ["with_card"]


def with_card(
    request: SendRequest, raw: Any, channel: dict[str, Any], who: Operator
) -> tuple[SendRequest, Made]:
    """The send with a card, or with its words where Discord cannot show it; and what the card became.

    Args:
        channel: where it goes, as Discord has it.

    Raises:
        SpecError: it is no card.
        ProcessError: it does not go with the rest, or has buttons that nobody would answer.
    """
    if request.poll or request.sticker_ids:
        raise ProcessError(
            "A card goes with a text and files.", fix="Send polls and stickers apart.", exit_code=USAGE
        )
    found = conversation_in(channel, who)
    session, agent = (found.session_key, found.agent_id) if found is not None else ("", "")
    origin = Origin(request.cause, request.step, request.account, request.channel_id, session, agent)
    made = make_presentation(
        raw, origin, ComponentSettings.of(who.account.discord), text=request.text.strip()
    )
    if not made.flags:
        return msgspec.structs.replace(request, text=made.text), made
    if made.controls is not None and not session and not isinstance(who.rest, Showing):
        raise ProcessError(
            "Nobody would answer these buttons and menus: no fleet is running here, or it does not know the "
            "conversation.",
            fix="Start the fleet (shoal up), or leave only links in the card.",
            exit_code=USAGE,
        )
    files = distinct(request.files)
    made = made.showing({file.filename: "" for file in files})
    flags = request.flags | made.flags
    card = msgspec.structs.replace(
        request, components=made.components, flags=flags, controls=made.controls, files=files
    )
    return card, made
