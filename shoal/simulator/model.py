"""The things of the simulated Discord as plain records; for behaviour see ``world`` and ``actions``."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Application",
    "Attachment",
    "Channel",
    "Guild",
    "Interaction",
    "Json",
    "Member",
    "Message",
    "Role",
    "Upload",
    "User",
    "Webhook",
    "make_token",
]

Json = dict[str, Any]

THREAD_TYPES = frozenset({10, 11, 12})
FORUM_TYPES = frozenset({15, 16})


def make_token(bot_id: str) -> str:
    """A bot token of Discord's shape, ``base64(id).time.signature``, the same for the same id each time."""
    head = base64.urlsafe_b64encode(bot_id.encode()).decode().rstrip("=")
    proof = hashlib.sha256(f"shoal-simulator:{bot_id}".encode()).digest()
    tail = base64.urlsafe_b64encode(proof).decode()[:38]
    return f"{head}.Shoal0.{tail}"


@dataclass(slots=True)
class User:
    """A human or a bot account."""

    id: str
    username: str
    global_name: str | None = None
    bot: bool = False
    discriminator: str = "0"
    avatar: str | None = None
    public_flags: int = 0
    locale: str = "en-US"
    dms: bool = True
    """Takes direct messages; else 50007."""


@dataclass(slots=True)
class Application:
    """A bot's application; its id is the bot user's id, as with applications made since 2016."""

    id: str
    name: str
    owner_id: str
    token: str
    disallowed_intents: int = 0
    commands: dict[str | None, list[Json]] = field(default_factory=dict)
    identifies: int = 0


@dataclass(slots=True)
class Role:
    """A role; the one with the guild's id is ``@everyone``."""

    id: str
    guild_id: str
    name: str
    permissions: int
    position: int
    color: int = 0
    hoist: bool = False
    managed: bool = False
    mentionable: bool = False
    tags: Json | None = None


@dataclass(slots=True)
class Member:
    """A user in a guild. ``roles`` never holds ``@everyone``."""

    user_id: str
    guild_id: str
    joined_at: str
    roles: list[str] = field(default_factory=list)
    nick: str | None = None
    communication_disabled_until: str | None = None


@dataclass(slots=True)
class Channel:
    """A channel, DM or thread (thread fields are meaningful for types 10, 11, 12)."""

    id: str
    type: int
    guild_id: str | None = None
    name: str | None = None
    topic: str | None = None
    position: int = 0
    parent_id: str | None = None
    nsfw: bool = False
    rate_limit_per_user: int = 0
    overwrites: list[Json] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    last_message_id: str | None = None
    last_pin_timestamp: str | None = None
    available_tags: list[Json] = field(default_factory=list)
    flags: int = 0
    owner_id: str | None = None
    members: dict[str, str] = field(default_factory=dict)
    archived: bool = False
    locked: bool = False
    auto_archive_duration: int = 1440
    archive_timestamp: str = ""
    create_timestamp: str = ""
    invitable: bool = True
    applied_tags: list[str] = field(default_factory=list)
    message_count: int = 0
    total_message_sent: int = 0

    @property
    def is_thread(self) -> bool:
        """Types 10, 11 and 12."""
        return self.type in THREAD_TYPES

    @property
    def is_forum(self) -> bool:
        """Types 15 and 16, which take posts and no messages."""
        return self.type in FORUM_TYPES


@dataclass(slots=True)
class Guild:
    """A server with its roles and members; ``voice`` has the voice channel of each user who is in one."""

    id: str
    name: str
    owner_id: str
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    preferred_locale: str = "en-US"
    features: list[str] = field(default_factory=list)
    unavailable: bool = False
    bans: dict[str, Json] = field(default_factory=dict)
    emojis: list[Json] = field(default_factory=list)
    stickers: list[Json] = field(default_factory=list)
    scheduled: list[Json] = field(default_factory=list)
    voice: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attachment:
    """A stored file."""

    id: str
    channel_id: str
    filename: str
    data: bytes
    content_type: str
    fields: Json = field(default_factory=dict)


@dataclass(slots=True)
class Message:
    """A message; ``visible_to`` is set for ephemeral ones. ``extra`` goes into the payload as it is."""

    id: str
    channel_id: str
    author_id: str
    timestamp: str
    content: str = ""
    type: int = 0
    flags: int = 0
    tts: bool = False
    edited_timestamp: str | None = None
    nonce: str | int | None = None
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    mention_roles: list[str] = field(default_factory=list)
    mention_everyone: bool = False
    reactions: dict[str, Json] = field(default_factory=dict)
    pinned: bool = False
    reference: Json | None = None
    webhook_id: str | None = None
    application_id: str | None = None
    webhook_name: str | None = None
    webhook_avatar: str | None = None
    interaction_metadata: Json | None = None
    position: int | None = None
    visible_to: str | None = None
    thread_id: str | None = None
    extra: Json = field(default_factory=dict)


@dataclass(slots=True)
class Upload:
    """A signed upload; ``data`` is None until it was PUT."""

    channel_id: str
    filename: str
    content_type: str
    data: bytes | None = None


@dataclass(slots=True)
class Webhook:
    """An incoming webhook."""

    id: str
    channel_id: str
    guild_id: str | None
    name: str
    token: str
    creator_id: str
    application_id: str | None = None


@dataclass(slots=True)
class Interaction:
    """One interaction and what became of it. Times are monotonic seconds of the simulator."""

    id: str
    application_id: str
    type: int
    token: str
    channel_id: str
    guild_id: str | None
    user_id: str
    data: Json
    born: float
    message_id: str | None = None
    callback_type: int | None = None
    answered_after_ms: float | None = None
    original_id: str | None = None
    loading: bool = False
    ephemeral: bool = False
    modal: Json | None = None
    choices: list[Json] | None = None
    message_ids: list[str] = field(default_factory=list)
