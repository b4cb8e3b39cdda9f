"""Which message the answer of a turn points to: ``replyToMode``, or what the model wrote."""

from __future__ import annotations

from typing import Literal

from shoal.base.ids import MessageId
from workers.sessions.records import TurnRequest

__all__ = ["ReplyScope", "reply_target"]

ReplyScope = Literal["first", "all"]
"""Which parts of a long answer point there."""


def reply_target(
    request: TurnRequest, mode: str, wanted: str = "", *, spoken: bool
) -> tuple[MessageId | None, ReplyScope]:
    """The message id, or none, and the parts that carry it.

    Args:
        mode: ``off``, ``first``, ``all`` or ``batched``.
        wanted: what the model asked for: a message id, ``current``, or nothing.
        spoken: the agent has said something here in this turn already.
    """
    if request.trigger_channel_id and wanted in ("", "current", request.message_id):
        return None, "first"  # the message is in another channel, where no answer can point to
    if wanted == "current":
        return request.answers_to, "all"
    if wanted:
        return MessageId(wanted), "all"
    if mode == "all":
        return request.answers_to, "all"
    if not spoken and (mode == "first" or (mode == "batched" and len(request.message_ids) > 1)):
        return request.answers_to, "first"
    return None, "first"
