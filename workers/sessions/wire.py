"""A message as Discord sends it, read with patience.

Only what admission needs. A field of an unexpected type is read as absent, never as an
error: another server may send roles as objects, ids as numbers or null where Discord has a
list, and that may cost a detail but not the event (``spec/decisions.md`` 55). What cannot
be done without is the id of the message, its channel and its author.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from shoal.discord.wire import MessageFlags
from workers.sessions.records import Attachment

__all__ = [
    "Malformed",
    "Snapshot",
    "User",
    "WireMessage",
    "as_list",
    "as_map",
    "read_id",
    "read_ids",
    "read_message",
    "read_roles",
    "read_user",
    "user_label",
    "user_tag",
]

# Bounds above what Discord sends, so that a record always fits into its lane.
MAX_NAME = 300
MAX_CONTENT = 8_000
MAX_URL = 1_000
MAX_FILES = 10
MAX_IDS = 500


class Malformed(ValueError):
    """The event lacks what no message can be without; the text names the field."""


@dataclass(frozen=True, slots=True)
class User:
    """An author or a mentioned user."""

    id: str
    username: str = ""
    global_name: str = ""
    discriminator: str = ""
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a message or of a forwarded one: what text is made of."""

    content: str = ""
    attachments: tuple[Attachment, ...] = ()
    stickers: tuple[Attachment, ...] = ()
    embeds: tuple[Mapping[str, Any], ...] = ()
    components: tuple[Mapping[str, Any], ...] = ()
    poll: Mapping[str, Any] | None = None
    author: User | None = None
    mentions: tuple[User, ...] = ()
    timestamp: str = ""
    """ISO 8601, as Discord writes it."""


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One MESSAGE_CREATE or MESSAGE_UPDATE."""

    id: str
    channel_id: str
    author: User
    body: Snapshot
    type: int = 0
    guild_id: str | None = None
    channel_type: int | None = None
    nick: str = ""
    roles: tuple[str, ...] | None = None
    mentions: tuple[User, ...] = ()
    mention_roles: tuple[str, ...] = ()
    mention_everyone: bool = False
    webhook_id: str | None = None
    edited: bool = False
    edited_timestamp: str = ""
    flags: int = 0
    reference_type: int | None = None
    reference_message_id: str = ""
    reference_channel_id: str = ""
    reference_missing: bool = False
    """It answers a message that was not sent along; one that was deleted is sent as null."""
    referenced: WireMessage | None = None
    snapshots: tuple[Snapshot, ...] = ()


def user_tag(user: User) -> str:
    """``name``, or ``name#1234`` for accounts of the old form."""
    old = user.discriminator not in ("", "0", "0000")
    return f"{user.username}#{user.discriminator}" if old else user.username


def user_label(user: User, nick: str = "") -> str:
    """How people see a user: nick, global name, username."""
    return nick or user.global_name or user.username or user.id


def read_message(data: msgspec.Raw | bytes) -> WireMessage:
    """The message of a dispatch.

    Raises:
        Malformed: no JSON object, or without id, channel or author.
    """
    decoded = _object(data)
    if decoded is None:
        raise Malformed("the event is no JSON object")
    return _message(decoded)


def read_id(value: Any) -> str:
    """An id as text: digits, be they a string or a number; anything else is ``""``."""
    if isinstance(value, bool):
        return ""
    text = str(value) if isinstance(value, int) else value if isinstance(value, str) else ""
    return text if text.isascii() and text.isdigit() and len(text) <= 20 else ""


def read_ids(data: msgspec.Raw | bytes, *names: str) -> list[str]:
    """The ids in the named fields of an event, single or in lists; empty if it is no object."""
    decoded = _object(data)
    if decoded is None:
        return []
    found: list[str] = []
    for name in names:
        value = decoded.get(name)
        for entry in value if isinstance(value, list) else [value]:
            if known := read_id(entry):
                found.append(known)
    return found


def read_user(raw: Any) -> User | None:
    """A user object; ``None`` for anything else."""
    return _user(raw)


def read_roles(member: Any) -> tuple[str, ...] | None:
    """Role ids of a member object; ``None`` where it tells none, as for somebody who is no member."""
    roles = as_map(member).get("roles")
    return _ids(roles) if isinstance(roles, list) else None


def _object(data: msgspec.Raw | bytes) -> dict[str, Any] | None:
    """The JSON object in an event. Half an emoji (a lone surrogate) is replaced."""
    try:
        decoded = msgspec.json.decode(data)
    except msgspec.DecodeError:
        try:
            loose = json.loads(bytes(data))
            decoded = json.loads(json.dumps(loose, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    return decoded if isinstance(decoded, dict) else None


def _message(raw: Mapping[str, Any]) -> WireMessage:
    message_id, channel_id = read_id(raw.get("id")), read_id(raw.get("channel_id"))
    author = _user(raw.get("author"))
    for name, found in (("id", message_id), ("channel_id", channel_id), ("author", author and author.id)):
        if not found:
            raise Malformed(f"the message has no {name}")
    assert author is not None
    member = as_map(raw.get("member"))
    reference = as_map(raw.get("message_reference"))
    body = _snapshot(raw)
    return WireMessage(
        id=message_id,
        channel_id=channel_id,
        author=author,
        body=body,
        type=_int(raw.get("type")) or 0,
        guild_id=read_id(raw.get("guild_id")) or None,
        channel_type=_int(raw.get("channel_type")),
        nick=_text(member.get("nick")),
        roles=_ids(member.get("roles")) if member else None,
        mentions=body.mentions,
        mention_roles=_ids(raw.get("mention_roles")),
        mention_everyone=raw.get("mention_everyone") is True,
        webhook_id=read_id(raw.get("webhook_id")) or None,
        edited=bool(raw.get("edited_timestamp")),
        edited_timestamp=_text(raw.get("edited_timestamp")),
        flags=_int(raw.get("flags")) or 0,
        reference_type=(_int(reference.get("type")) or 0) if reference else None,
        reference_message_id=read_id(reference.get("message_id")),
        reference_channel_id=read_id(reference.get("channel_id")),
        reference_missing=_missing(raw, reference),
        referenced=_referenced(raw.get("referenced_message")),
        snapshots=tuple(
            _snapshot(as_map(as_map(entry).get("message")))
            for entry in as_list(raw.get("message_snapshots"))[:MAX_FILES]
        ),
    )


def _missing(raw: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """A reply came without what it answers. What a followed channel sends on never has that."""
    if "referenced_message" in raw or not read_id(reference.get("message_id")):
        return False
    crosspost = (_int(raw.get("flags")) or 0) & MessageFlags.IS_CROSSPOST
    return (_int(reference.get("type")) or 0) == 0 and not crosspost


def _referenced(raw: Any) -> WireMessage | None:
    """The answered message; one that is null (deleted), absent or broken is simply not there."""
    if not isinstance(raw, dict):
        return None
    try:
        return _message({**raw, "referenced_message": None})
    except Malformed:
        return None


def _snapshot(raw: Mapping[str, Any]) -> Snapshot:
    voice = bool((_int(raw.get("flags")) or 0) & MessageFlags.IS_VOICE_MESSAGE)
    stickers = raw.get("sticker_items") or raw.get("stickers")
    return Snapshot(
        content=_text(raw.get("content"), MAX_CONTENT),
        attachments=tuple(
            _attachment(as_map(entry), voice) for entry in as_list(raw.get("attachments"))[:MAX_FILES]
        ),
        stickers=tuple(_sticker(as_map(entry)) for entry in as_list(stickers)[:MAX_FILES]),
        embeds=tuple(as_map(entry) for entry in as_list(raw.get("embeds"))),
        components=tuple(as_map(entry) for entry in as_list(raw.get("components"))),
        poll=as_map(raw.get("poll")) or None,
        author=_user(raw.get("author")),
        mentions=tuple(user for entry in as_list(raw.get("mentions")) if (user := _user(entry)) and user.id),
        timestamp=_text(raw.get("timestamp"), 40),
    )


def _attachment(raw: Mapping[str, Any], voice: bool) -> Attachment:
    return Attachment(
        id=read_id(raw.get("id")),
        filename=_text(raw.get("filename")) or "file",
        url=_text(raw.get("url"), MAX_URL),
        size=_int(raw.get("size")) or 0,
        content_type=_text(raw.get("content_type")) or ("audio/ogg" if voice else ""),
        width=_int(raw.get("width")),
        height=_int(raw.get("height")),
    )


def _sticker(raw: Mapping[str, Any]) -> Attachment:
    """A sticker as a file; formats: 1 PNG, 2 APNG, 3 Lottie, 4 GIF (``spec/inbound.md`` 6.11)."""
    sticker_id = read_id(raw.get("id"))
    kind = _int(raw.get("format_type")) or 1
    host, ending = ("media.discordapp.net", "gif") if kind == 4 else ("cdn.discordapp.com", "png")
    base = f"https://{host}/stickers/{sticker_id}"
    lottie = kind == 3  # a drawing of its own format; Discord has a picture of some of them
    return Attachment(
        id=sticker_id,
        filename=f"{_text(raw.get('name')) or 'sticker'}.{ending}",
        url=f"{base}.{ending}{'?size=160' if lottie else ''}" if sticker_id else "",
        content_type="image/gif" if ending == "gif" else "image/png",
        alternatives=(f"{base}.json",) if lottie and sticker_id else (),
    )


def _user(raw: Any) -> User | None:
    if not isinstance(raw, dict):
        return None
    return User(
        id=read_id(raw.get("id")),
        username=_text(raw.get("username")),
        global_name=_text(raw.get("global_name")),
        discriminator=_text(raw.get("discriminator")),
        bot=raw.get("bot") is True,
    )


def as_map(value: Any) -> dict[str, Any]:
    """An object of JSON; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list of JSON; an empty one where it is none."""
    return value if isinstance(value, list) else []


def _text(value: Any, most: int = MAX_NAME) -> str:
    return value[:most] if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _ids(value: Any) -> tuple[str, ...]:
    """Ids of a list of ids, or of a list of objects with one."""
    found = (read_id(entry.get("id") if isinstance(entry, dict) else entry) for entry in as_list(value))
    return tuple(entry for entry in found if entry)[:MAX_IDS]
