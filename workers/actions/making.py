"""Making things for which Discord has no nonce (emoji, channels, events, threads), each once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shoal.base.errors import TransportError
from shoal.base.ids import snowflake_ms
from shoal.discord.errors import DiscordError
from workers.actions.base import ActionContext, Json
from workers.delivery.progress import CLOCK_SLACK_MS

__all__ = ["first_made", "make", "my_id"]


def make(context: ActionContext, find: Callable[[int], Json | None], create: Callable[[], Json]) -> Json:
    """Make a thing for which Discord has no nonce, once.

    What an interrupted try, or one without a clear answer, may have made is looked for first.

    Args:
        find: the thing as it may be there, made at this Unix ms or later; none if it is not.
    """
    since = (context.born_ms or int(time.time() * 1000)) - CLOCK_SLACK_MS
    if context.again and (found := find(since)) is not None:
        return found
    try:
        return create()
    except (DiscordError, TransportError) as error:
        if not error.ambiguous or (found := find(since)) is None:
            raise
        return found


def first_made(things: Iterable[Mapping[str, Any]], since_ms: int, **fields: Any) -> Json | None:
    """The oldest of ``things`` not older than ``since_ms`` whose fields have these values."""
    fitting = [
        dict(one)
        for one in things
        if snowflake_ms(str(one["id"])) >= since_ms and all(one.get(k) == v for k, v in fields.items())
    ]
    return min(fitting, key=lambda one: int(one["id"]), default=None)


def my_id(context: ActionContext) -> str:
    """The bot's user id."""
    return str((context.facts.me(context.account) or context.rest.get_current_user())["id"])
