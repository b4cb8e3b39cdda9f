"""What a message says, as one text (``spec/inbound.md`` 6.1).

The first of these that is there: typed text, a placeholder for files and stickers, the
first embed, text displays of components, a poll. Forwarded content follows in blocks of
its own. Mentions of users become ``@name``; roles and channels stay as they are.

The heading of a forwarded block is ours: names in it are made plain, and lines that only look
like it get round brackets, so that nobody can put words into another's mouth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shoal.base.ids import USER_MENTION
from workers.sessions.polls import poll_result_text, poll_text
from workers.sessions.records import Attachment
from workers.sessions.untrusted import header_value, plain_lines
from workers.sessions.wire import Snapshot, User, WireMessage, user_label

__all__ = ["FORWARD", "WITHHELD", "attachments_of", "forwarded", "message_text", "resolve_mentions"]

FORWARD = 1
TEXT_DISPLAY = 10
MAX_TEXT = 8_000
"""Characters kept of one message: more than people can write, less than a lane's record may hold."""

MAX_ATTACHMENTS = 20
MAX_DEPTH = 8
"""Levels of components that are read; Discord has five."""

WITHHELD = "[Forwarded message not shown]"
"""In place of a forwarded message that ``contextVisibility`` keeps out."""

_FORGED = re.compile(r"^([^\S\n]*)\[(forwarded message[^\]\n]{0,200})\]", re.IGNORECASE | re.MULTILINE)


def message_text(message: WireMessage, *, with_forwarded: bool = True) -> str:
    """The text of a message for the agent, or ``""`` where it says nothing.

    Args:
        with_forwarded: false says only that something was forwarded.
    """
    own = _body_text(message.body)
    blocks = [_forwarded_block(snapshot) for snapshot in forwarded(message)]
    if blocks and not with_forwarded:
        blocks = [WITHHELD]
    whole = "\n".join(part for part in (own, "\n\n".join(filter(None, blocks))) if part)
    return whole[:MAX_TEXT]


def forwarded(message: WireMessage) -> tuple[Snapshot, ...]:
    """What the message forwards: its snapshots, or the referenced message of a forward without any."""
    if message.snapshots:
        return message.snapshots
    if message.reference_type == FORWARD and message.referenced is not None:
        return (message.referenced.body,)
    return ()


def attachments_of(message: WireMessage, *, with_forwarded: bool = True) -> tuple[Attachment, ...]:
    """Files, then stickers, then those of what is forwarded."""
    found = [*message.body.attachments, *message.body.stickers]
    for snapshot in forwarded(message) if with_forwarded else ():
        found.extend(_as_forwarded(item) for item in (*snapshot.attachments, *snapshot.stickers))
    return tuple(found[:MAX_ATTACHMENTS])


def resolve_mentions(text: str, users: Iterable[User]) -> str:
    """``<@id>`` as ``@name`` for the users that the event describes; others stay."""
    if "<@" not in text:
        return text
    names = {user.id: header_value(user_label(user)) for user in users}
    return USER_MENTION.sub(
        lambda hit: f"@{names[hit.group(1)]}" if hit.group(1) in names else hit.group(0), text
    )


def _forwarded_block(snapshot: Snapshot) -> str:
    text = _body_text(snapshot)
    if not text:
        return ""
    author = snapshot.author
    by = f" from @{header_value(user_label(author))}" if author is not None and author.id else ""
    return f"[Forwarded message{by}]\n{text}"


def _body_text(body: Snapshot) -> str:
    text = (
        body.content.strip()
        or _placeholder(body)
        or _first_embed(body.embeds)
        or "\n".join(_displays(body.components))
        or poll_text(body.poll)
    )
    text = resolve_mentions(plain_lines(text).strip(), body.mentions)
    return _FORGED.sub(r"\1(\2)", text) if "[" in text else text


def _placeholder(body: Snapshot) -> str:
    """``<media:image> (2 images)`` and the like: there is something, and the model is told what."""
    lines = []
    if files := len(body.attachments):
        images = all(item.content_type.startswith("image/") for item in body.attachments)
        kind, noun = ("image", "image") if images else ("document", "file")
        lines.append(f"<media:{kind}> ({files} {noun}{'' if files == 1 else 's'})")
    if stickers := len(body.stickers):
        lines.append(f"<media:sticker> ({stickers} sticker{'' if stickers == 1 else 's'})")
    return "\n".join(lines)


def _first_embed(embeds: tuple[Mapping[str, Any], ...]) -> str:
    if not embeds:
        return ""
    if embeds[0].get("type") == "poll_result":
        return poll_result_text(embeds[0])
    parts = (embeds[0].get("title"), embeds[0].get("description"))
    return "\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _displays(components: Iterable[Any], depth: int = 0) -> list[str]:
    """Text displays of components v2, depth first; of a section also its accessory."""
    found: list[str] = []
    for component in components:
        if not isinstance(component, dict) or depth > MAX_DEPTH:
            continue
        content = component.get("content")
        if component.get("type") == TEXT_DISPLAY and isinstance(content, str) and content.strip():
            found.append(content.strip())
        for name in ("components", "accessory", "component"):
            inner = component.get(name)
            children = inner if isinstance(inner, list) else [inner]
            found.extend(_displays(children, depth + 1))
    return found


def _as_forwarded(item: Attachment) -> Attachment:
    return msgspec.structs.replace(item, forwarded=True)
