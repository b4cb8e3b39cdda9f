"""What a message says, as one text (``spec/inbound.md`` 6.1).

The first of these that is there: typed text, a placeholder for files and stickers, the
first embed, text displays of components, a poll. Forwarded content follows in blocks of
its own. Mentions of users become ``@name``; roles and channels stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from workers.sessions.records import Attachment
from workers.sessions.wire import Snapshot, User, WireMessage, user_label

__all__ = ["attachments_of", "forwarded", "message_text", "resolve_mentions"]

FORWARD = 1
TEXT_DISPLAY = 10
MAX_TEXT = 8_000
"""Characters kept of one message: more than people can write, less than a lane's record may hold."""

MAX_ATTACHMENTS = 20

_MENTION = re.compile(r"<@!?(\d{1,20})>")


def message_text(message: WireMessage) -> str:
    """The text of a message for the agent, or ``""`` where it says nothing."""
    own = resolve_mentions(_body_text(message.body), message.mentions)
    blocks = []
    for snapshot in forwarded(message):
        text = _body_text(snapshot)
        if text:
            by = f" from @{user_label(snapshot.author)}" if snapshot.author and snapshot.author.id else ""
            blocks.append(f"[Forwarded message{by}]\n{text}")
    whole = "\n".join(part for part in (own, "\n\n".join(blocks)) if part)
    return whole[:MAX_TEXT]


def forwarded(message: WireMessage) -> tuple[Snapshot, ...]:
    """What the message forwards: its snapshots, or the referenced message of a forward without any."""
    if message.snapshots:
        return message.snapshots
    if message.reference_type == FORWARD and message.referenced is not None:
        return (message.referenced.body,)
    return ()


def attachments_of(message: WireMessage) -> tuple[Attachment, ...]:
    """Files, then stickers, then those of what is forwarded."""
    found = [*message.body.attachments, *message.body.stickers]
    for snapshot in forwarded(message):
        found.extend(_as_forwarded(item) for item in (*snapshot.attachments, *snapshot.stickers))
    return tuple(found[:MAX_ATTACHMENTS])


def resolve_mentions(text: str, users: Iterable[User]) -> str:
    """``<@id>`` as ``@name`` for the users that the event describes; others stay."""
    names = {user.id: user_label(user) for user in users}
    return _MENTION.sub(
        lambda hit: f"@{names[hit.group(1)]}" if hit.group(1) in names else hit.group(0), text
    )


def _body_text(body: Snapshot) -> str:
    for text in (
        body.content.strip(),
        _placeholder(body),
        _first_embed(body.embeds),
        "\n".join(_displays(body.components)),
        _poll(body.poll),
    ):
        if text:
            return text
    return ""


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
    parts = (embeds[0].get("title"), embeds[0].get("description"))
    return "\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _displays(components: Iterable[Any]) -> list[str]:
    """Text displays of components v2, depth first."""
    found: list[str] = []
    for component in components:
        if not isinstance(component, dict):
            continue
        content = component.get("content")
        if component.get("type") == TEXT_DISPLAY and isinstance(content, str) and content.strip():
            found.append(content.strip())
        children = component.get("components")
        if isinstance(children, list):
            found.extend(_displays(children))
    return found


def _poll(poll: Mapping[str, Any] | None) -> str:
    """Question and answers of a poll."""
    if poll is None:
        return ""
    question = poll.get("question")
    lines = [f"[Poll] {question.get('text') or ''}".strip()] if isinstance(question, dict) else []
    answers = poll.get("answers")
    for answer in answers if isinstance(answers, list) else []:
        media = answer.get("poll_media") if isinstance(answer, dict) else None
        if isinstance(media, dict) and isinstance(media.get("text"), str):
            lines.append(f"- {media['text']}")
    return "\n".join(lines)


def _as_forwarded(item: Attachment) -> Attachment:
    return Attachment(
        id=item.id,
        filename=item.filename,
        url=item.url,
        size=item.size,
        content_type=item.content_type,
        width=item.width,
        height=item.height,
        duration_s=item.duration_s,
        sticker=item.sticker,
        forwarded=True,
    )
