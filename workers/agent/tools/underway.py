"""A send of the message tool that is on its way: the turn parks, its receipts wake it.

The model is told the ids of the messages; or that Discord did not take it; or, if that takes too long, that
it is queued and will be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from shoal.base.ids import check_name
from shoal.state.effects import Effect
from workers.agent.tools.registry import Sent, ToolContext, ToolError, ToolResult, Wait
from workers.delivery.fate import fate_of

__all__ = ["Underway", "arrived", "wait_for", "wake_key"]

POLL_MS = 2_000
WAIT_ROUNDS = 45
"""Rounds of at most ``POLL_MS`` after which the model is told that the send is still queued."""


NOT_SENT = "Discord did not take the message. It was not sent."
NOBODY_KNOWS = (
    "The message may have been sent: Discord's answer was lost, and it cannot be seen whether it is there. "
    "Do not send it again."
)


class Underway(msgspec.Struct):
    """What a parked turn remembers of its send.

    Attributes:
        lane, identity: its record, in the destination's delivery lane.
        rounds: how often it was looked for.
        warning: what the model is told besides, once it is through.
        components, poll: what it carries, for the result.
        rename: what the thread is called from then on (``threadName``).
        voice: it begins with a voice message.
    """

    lane: str
    identity: str
    channel_id: str
    text: str
    rounds: int = 0
    warning: str = ""
    components: bool = False
    poll: bool = False
    rename: str = ""
    voice: bool = False


Rename = Callable[[str, str, ToolContext], dict[str, Any]]
"""(channel id, name, context): renames a thread; what came of it."""


def wake_key(identity: str) -> str:
    """What the receipts of a send wake."""
    return check_name(f"sent:{identity}", "wake key")


def wait_for(send: Underway, *effects: Effect) -> Wait:
    """Park until its receipts are there, at most for one round."""
    return Wait(
        wake_on=(wake_key(send.identity),),
        state=msgspec.json.encode(send),
        effects=effects,
        delay_ms=POLL_MS,
    )


def arrived(state: bytes, context: ToolContext, rename: Rename | None = None) -> ToolResult | Wait:
    """Look whether a send is through.

    Args:
        state: the :class:`Underway` it was parked with.
        rename: does what ``threadName`` asks for, once the message is there.

    Raises:
        ToolError: it was not sent, or nobody knows.
    """
    send = msgspec.json.decode(state, type=Underway)
    fate = fate_of(context.store, context.request.account, send.lane, send.identity, send.channel_id)
    if fate.queued and send.rounds < WAIT_ROUNDS:
        send.rounds += 1
        return wait_for(send)
    if fate.queued:
        return ToolResult(
            '{"ok":true,"queued":true,"note":"Discord is slow; it will be sent, do not repeat it"}',
            sent=(Sent(send.channel_id, send.text),),
        )
    if not fate.parts:
        raise ToolError(NOBODY_KNOWS if fate.unknown else f"{NOT_SENT} {fate.why}".strip())
    ids = tuple(part.message_id for part in fate.parts)
    result = {"messageId": ids[-1], "messageIds": list(ids), "channelId": send.channel_id}
    notes = [part.note for part in fate.parts if part.note]
    told: dict[str, Any] = {"ok": True, "result": result}
    if send.poll:
        told |= {"messageId": ids[-1], "channelId": send.channel_id}
    if send.components:
        told["components"] = True
    if send.voice:
        told["voiceMessage"] = not notes  # the notes of a send are about its voice message
    if notes or send.warning:
        told["warning"] = " ".join(filter(None, [*notes, send.warning]))
    if send.rename and rename is not None:
        told["threadRename"] = rename(send.channel_id, send.rename, context)
    return ToolResult(
        msgspec.json.encode(told).decode(),
        sent=(Sent(send.channel_id, send.text, ids),),
    )
