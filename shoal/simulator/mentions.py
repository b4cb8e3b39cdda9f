"""Who a text mentions, after ``allowed_mentions``: ``mentions`` and ``mention_roles`` of a message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shoal.simulator.model import Channel, Json, Message
from shoal.simulator.permissions import MENTION_EVERYONE, compute
from shoal.simulator.world import World

__all__ = ["Mentions", "find_mentions", "spoken_text", "visible_text"]

SEEN = frozenset({"title", "description", "name", "value", "text", "content", "label", "placeholder"})
"""Keys of embeds and components that are shown."""

_USER = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")


@dataclass(slots=True)
class Mentions:
    """Ids in the order of the text, each once."""

    users: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    everyone: bool = False


def spoken_text(content: str, components: list[Json]) -> str:
    """The text in which mentions count: the content and all text displays."""

    def texts(parts: list[Json]) -> Iterator[str]:
        for part in parts:
            if part.get("type") == 10:
                yield str(part.get("content", ""))
            yield from texts(part.get("components", []))

    return "\n".join([content, *texts(components)])


def find_mentions(
    world: World,
    channel: Channel,
    author_id: str,
    text: str,
    allowed: Json | None,
    *,
    default: tuple[str, ...] = ("roles", "users", "everyone"),
) -> Mentions:
    """The mentions of ``text`` that count.

    Args:
        world: for names and permissions.
        channel: where it is said.
        author_id: by whom; ``@everyone`` and closed roles need MENTION_EVERYONE.
        text: see :func:`spoken_text`.
        allowed: the ``allowed_mentions`` object, None when absent.
        default: what ``parse`` is when ``allowed`` is None (webhooks and interactions: users only).
    """
    parse = default if allowed is None else tuple(allowed.get("parse") or ())
    rules = allowed or {}
    guild = world.guild_of(channel)
    loud = bool(compute(world, channel, author_id) & MENTION_EVERYONE) if guild is not None else True
    found = Mentions()
    for user_id in dict.fromkeys(_USER.findall(text)):
        if user_id in world.users and ("users" in parse or user_id in (rules.get("users") or ())):
            found.users.append(user_id)
    if guild is not None:
        for role_id in dict.fromkeys(_ROLE.findall(text)):
            role = guild.roles.get(role_id)
            wanted = "roles" in parse or role_id in (rules.get("roles") or ())
            if role is not None and wanted and (role.mentionable or loud):
                found.roles.append(role_id)
        found.everyone = "everyone" in parse and loud and bool(_EVERYONE.search(text))
    return found


def visible_text(message: Message) -> str:
    """All words a reader sees: content, embeds, text displays, labels, file names."""
    words = [message.content, *(file.filename for file in message.attachments)]

    def collect(part: object) -> None:
        if isinstance(part, list):
            for item in part:
                collect(item)
        elif isinstance(part, dict):
            for key, value in part.items():
                if isinstance(value, str) and key in SEEN:
                    words.append(value)
                elif isinstance(value, list | dict):
                    collect(value)

    collect(message.embeds)
    collect(message.components)
    return "\n".join(words)
