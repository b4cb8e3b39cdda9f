"""Threads: made from a message, renamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.base.ids import MessageId, ThreadId
from shoal.discord.answers import made_in
from shoal.discord.errors import DiscordError
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.retry import Safety
from shoal.discord.routes import Route

__all__ = ["ALREADY_A_THREAD", "create_post", "rename_channel", "thread_on_message"]

ALREADY_A_THREAD = 160004
"""Discord's word for "this message has a thread": somebody (or an earlier try of ours) made it."""


def thread_on_message(
    rest: Rest, channel_id: str, message_id: MessageId, *, name: str, archive_minutes: int = 60
) -> bool:
    """Make the thread of a message, whose id is the message's. True if it is new.

    May be sent any number of times: the second finds what the first made, so it needs no nonce.

    Args:
        archive_minutes: 60, 1440, 4320 or 10080 minutes without a message.

    Raises:
        DiscordError, TransportError, RateWait: as :meth:`Rest.call`.
    """
    route = Route(
        "POST",
        "/channels/{channel_id}/messages/{message_id}/threads",
        channel_id=channel_id,
        message_id=message_id,
    )
    try:
        rest.call(route, json={"name": name, "auto_archive_duration": archive_minutes})
    except DiscordError as error:
        if error.json_code != ALREADY_A_THREAD:
            raise
        return False
    return True


def create_post(
    rest: Rest, channel_id: str, body: Mapping[str, Any], *, priority: Priority = Priority.INTERACTIVE
) -> ThreadId:
    """Make a post in a forum or media channel; the id of its thread, which is that of its first message.

    There is no nonce for it: a second request makes a second post.

    Raises:
        DiscordError, TransportError, RateWait: as :meth:`Rest.call`; ``ambiguous`` where it may exist.
    """
    route = Route("POST", "/channels/{channel_id}/threads", channel_id=channel_id)
    answer = rest.call(route, json=dict(body), safety=Safety.CREATE, priority=priority)
    return ThreadId(str(made_in(answer, route, "thread")["id"]))


def rename_channel(rest: Rest, channel_id: str, name: str) -> None:
    """Give a channel or thread another name. Discord allows two changes in ten minutes.

    Raises:
        DiscordError, TransportError, RateWait: as :meth:`Rest.call`.
    """
    route = Route("PATCH", "/channels/{channel_id}", channel_id=channel_id)
    rest.call(route, json={"name": name}, priority=Priority.BACKGROUND)
