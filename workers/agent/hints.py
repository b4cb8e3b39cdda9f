"""One hint to the owner about what people stumble on first: private answers (``spec/inbound.md`` 10 row 5).

In servers an agent's last words are private unless the config says otherwise. Somebody who named the bot
and sees nothing takes it for broken; only the owner can change that, and is told once for each channel.
"""

from __future__ import annotations

from collections.abc import Callable

from config.schema.messages import MessagesConfig
from shoal.base.findings import Finding
from shoal.base.logging import get_logger
from shoal.state.effects import Count, Effect, Told
from shoal.state.store import Store
from workers.delivery.records import NOTICE_MAX_AGE_S, SendRequest, send_push
from workers.delivery.texts import Language, say
from workers.sessions.records import TurnRequest

__all__ = ["UNSEEN", "silence_finding", "silence_hint"]

UNSEEN = "hint.private-final"
"""Counter: somebody named the bot, and what it said last was not shown."""

log = get_logger(__name__)


def silence_hint(
    store: Store, request: TurnRequest, owner_dm: Callable[[str], str | None], language: Language
) -> list[Effect]:
    """What the commit of a turn says whose answer to a mention stayed private.

    Args:
        owner_dm: the channel of the owner's DM on an account, or none.
        language: of our own texts.
    """
    account, place = request.account, request.parent_id or request.channel_id
    what = f"silence.{place}"
    effects: list[Effect] = [Count(account, UNSEEN)]
    told = store.ledger.told(account).get(what)
    if told == "dm":
        return effects
    channel = owner_dm(account)
    if told is not None and channel is None:
        return effects  # there is still nobody to write to
    log.warning(
        "an answer to somebody who named the bot was not shown",
        account=account,
        channel=place,
        message_id=request.message_id,
        fix='Set messages.groupChat.visibleReplies: "automatic" to show what an agent says last.',
    )
    effects.append(Told(account, what, "dm" if channel else "log"))
    if channel is not None:
        send = SendRequest(
            account=account,
            channel_id=channel,
            cause=f"hint.{account}.{place}",
            step="notice-private",
            text=say("hint-private", language, place=f"<#{place}>"),
            plain=True,
            priority="background",
            max_age_s=NOTICE_MAX_AGE_S,
        )
        effects.append(send_push(send))
    return effects


def silence_finding(messages: MessagesConfig, unseen: int) -> Finding | None:
    """What to say of answers that people who named the bot did not see; ``None`` where all is well.

    Args:
        messages: the section of the config.
        unseen: the counter :data:`UNSEEN` over some days.
    """
    wanted = messages.group_chat.visible_replies or messages.visible_replies or "message_tool"
    if unseen == 0 or wanted == "automatic":
        return None
    times = "once" if unseen == 1 else f"{unseen} times"
    return Finding(
        "private-replies-unseen",
        "warn",
        f"In the last days somebody named the bot in a server and got no visible answer {times}: its last "
        "words were private, and it did not use the message tool.",
        'Set messages.groupChat.visibleReplies: "automatic", or use a model that calls tools well.',
        "messages.groupChat.visibleReplies",
    )
