"""Short texts of our own that are no agent's answer: one catalogue, English and Chinese."""

from __future__ import annotations

from shoal.state.effects import Push
from shoal.state.records import Record
from workers.delivery.records import KIND, NOTICE_MAX_AGE_S, SendRequest, encode
from workers.sessions.admission import Notice

__all__ = ["TEXTS", "notice_push"]

TEXTS: dict[str, dict[str, str]] = {
    "interaction-expired": {"en": "This is no longer active.", "zh": "此操作已失效。"},
    "stopped": {"en": "⚙️ Agent was aborted.", "zh": "⚙️ 已中止。"},
}
"""Name → language → text."""


def notice_push(notice: Notice) -> Push:
    """The effect that sends a notice: a send of its own, for five minutes, in answer to the message.

    Raises:
        KeyError: the catalogue has no such text.
    """
    texts = TEXTS[notice.text]
    request = SendRequest(
        account=notice.account,
        channel_id=notice.channel_id,
        cause=notice.cause,
        step=f"notice-{notice.text}",
        text=texts.get(notice.language, texts["en"]),
        guild_id=notice.guild_id,
        reply_to=notice.reply_to,
        plain=True,
        max_age_s=NOTICE_MAX_AGE_S,
    )
    return Push(request.lane, Record(identity=request.identity, kind=KIND, body=encode(request)))
