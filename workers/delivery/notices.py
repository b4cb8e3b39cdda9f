"""A notice of admission as a send: a text of our own that is no agent's answer."""

from __future__ import annotations

from shoal.base.ids import MessageId
from shoal.state.effects import Push
from workers.delivery.records import NOTICE_MAX_AGE_S, SendRequest, send_push
from workers.delivery.texts import say
from workers.sessions.admission import Notice

__all__ = ["notice_push"]


def notice_push(notice: Notice) -> Push:
    """The effect that sends a notice: a send of its own, for five minutes, in answer to the message.

    Raises:
        KeyError: the catalogue has no such text.
    """
    request = SendRequest(
        account=notice.account,
        channel_id=notice.channel_id,
        cause=notice.cause,
        step=f"notice-{notice.text}",
        text=say(notice.text, notice.language, **notice.values),
        guild_id=notice.guild_id,
        reply_to=MessageId(notice.reply_to),
        plain=True,
        max_age_s=NOTICE_MAX_AGE_S,
    )
    return send_push(request)
