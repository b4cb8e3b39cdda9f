"""``tools.media.audio.echoTranscript``: people see what was heard in their recording, before the answer."""

from __future__ import annotations

from shoal.base.ids import MessageId
from shoal.state.effects import Push
from workers.delivery.records import NOTICE_MAX_AGE_S, AllowedMentions, SendRequest, send_push
from workers.sessions.admission import record_identity
from workers.sessions.records import TurnRequest

__all__ = ["echo_push"]

MAX_CHARS = 1_900
"""One message: who wants all of it listens again."""


def echo_push(request: TurnRequest, text: str) -> Push:
    """The effect that shows ``text`` in answer to the message. It pings nobody: the words are not ours."""
    send = SendRequest(
        account=request.account,
        channel_id=request.channel_id,
        cause=record_identity(request.account, request.message_id),
        step="echo",
        text=text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…",
        guild_id=request.guild_id,
        reply_to=MessageId(request.message_id),
        allowed_mentions=AllowedMentions(users=False),
        plain=True,
        max_age_s=NOTICE_MAX_AGE_S,
    )
    return send_push(send)
