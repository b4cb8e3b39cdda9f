"""Finding a message that may have been sent: did it come back to the gateway? Is it in the channel?

The first costs no request; the second is asked where the nonce can no longer be relied on
(:mod:`workers.delivery.progress`). Where the bot may not read the channel, nobody can know: that is said, and
not taken for an empty channel, which is what Discord's answer looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shoal.base.ids import MessageId, snowflake_at, snowflake_ms
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.state.store import Store
from workers.delivery.missing import permissions_here
from workers.delivery.progress import CLOCK_SLACK_MS, nonce_of
from workers.delivery.records import SendRequest
from workers.delivery.spread import file_of

__all__ = ["Sought", "Unknowable", "came_back", "look_for", "sought_of"]

PAGE = 100
PAGES = 10
"""So much of what was written since the try is looked through."""


class Unknowable(Exception):
    """A message may be in a channel, and there is no way to see whether it is. Its text says why."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for.

    Attributes:
        since_ms: when the try began; nothing that is older is taken for it.
        filename: of the file that goes with it, for one without text.
        waveform: of the voice message: they are all called the same.
        taken: ids of messages that are known to be others.
        webhook: id of the webhook that said it, where it was not the bot.
    """

    account: str
    channel_id: str
    nonce: str
    content: str
    since_ms: int
    filename: str = ""
    waveform: str = ""
    taken: frozenset[str] = frozenset()
    webhook: str = ""


def sought_of(
    request: SendRequest,
    plan: list[str],
    part: int,
    *,
    channel_id: str,
    since_ms: int,
    taken: Iterable[str],
) -> Sought:
    """What a part of a send looks like where it arrived."""
    file = file_of(request, plan, part)
    return Sought(
        request.account,
        channel_id,
        nonce_of(request, part),
        content=plan[part],
        since_ms=since_ms,
        filename=file.filename if file is not None else "",
        waveform=file.voice.waveform if file is not None and file.voice is not None else "",
        taken=frozenset(taken),
    )


def came_back(sought: Sought, store: Store) -> MessageId | None:
    """Its id, as the gateway saw it in this channel."""
    echo = store.receipts.echoed(sought.account, sought.nonce)
    return MessageId(echo[1]) if echo is not None and echo[0] == sought.channel_id else None


def look_for(sought: Sought, rest: Rest, bot_id: str | None) -> MessageId | None:
    """Its id, among what was written in the channel since the try began; ``None``: it is not there.

    Args:
        bot_id: our user id, if it is known.

    Raises:
        Unknowable: the bot may not read the channel, or too much was written.
        DiscordError, TransportError, RateWait: the channel could not be read now.
    """
    after, empty = snowflake_at(sought.since_ms - CLOCK_SLACK_MS), True
    for _ in range(PAGES):
        page = rest.get_messages(sought.channel_id, limit=PAGE, after=MessageId(str(after)))
        found = _among(page, sought, bot_id)
        if found is not None:
            return found
        if len(page) < PAGE:
            break
        empty, after = False, max(after, *(int(each["id"]) for each in page))
    else:
        raise Unknowable(f"More than {PAGES * PAGE} messages were written since.")
    if empty and not page and not _readable(rest, sought.channel_id):
        raise Unknowable("The bot has no permission to read the channel's history.")
    return None


def _readable(rest: Rest, channel_id: str) -> bool:
    """Without the permission Discord answers with an empty list, as if nothing had been written."""
    have = permissions_here(rest, channel_id)
    return have is None or Permission.READ_MESSAGE_HISTORY in have


def _among(messages: Iterable[dict[str, Any]], sought: Sought, bot_id: str | None) -> MessageId | None:
    """By nonce where Discord shows it, else by author and text (where there is none, by its file's name)."""
    content = sought.content.strip()
    found: list[int] = []
    for message in messages:
        message_id = str(message.get("id") or "")
        if not re.fullmatch(r"[0-9]{1,20}", message_id) or message_id in sought.taken:
            continue
        if sought.nonce and str(message.get("nonce") or "") == sought.nonce:
            return MessageId(message_id)
        author = message.get("author")
        us = sought.webhook or bot_id  # a webhook's author has the id of the webhook
        ours = isinstance(author, dict) and us is not None and str(author.get("id")) == us
        same = str(message.get("content") or "").strip() == content
        same = same and (bool(content) or _has_file(message, sought))
        unnamed = not message.get("nonce")
        if ours and same and unnamed and snowflake_ms(message_id) >= sought.since_ms - CLOCK_SLACK_MS:
            found.append(int(message_id))
    return MessageId(str(min(found))) if found else None


def _has_file(message: dict[str, Any], sought: Sought) -> bool:
    """Whether it carries that file; Discord writes some characters of names differently."""
    files = message.get("attachments")
    for file in files if sought.filename and isinstance(files, list) else ():
        named = isinstance(file, dict) and _plain(str(file.get("filename"))) == _plain(sought.filename)
        if named and sought.waveform in ("", file.get("waveform")):
            return True
    return False


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
