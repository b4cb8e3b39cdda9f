"""Permissions: the flags, and what a member may do in a channel.

The order is Discord's (topics/permissions): roles give the base; an administrator or the owner
has everything; otherwise the channel's overwrites apply: ``@everyone``, then all roles
together (deny, then allow), then the member. What follows implicitly (a channel that cannot
be seen, a member in time-out, a thread) is applied here too, because the API behaves so.

Nothing is asked of Discord here: the facts come as plain dicts, as events have them.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from typing import Any

from shoal.discord.wire import ChannelType, is_thread

__all__ = [
    "ALL",
    "Permission",
    "base_permissions",
    "channel_permissions",
    "missing_names",
    "overwritten",
    "parse_permissions",
    "permissions_in",
    "timed_out",
]


class Permission(enum.IntFlag):
    """Permission bits (topics/permissions#permissions-bitwise-permission-flags)."""

    CREATE_INSTANT_INVITE = 1 << 0
    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_AUDIT_LOG = 1 << 7
    PRIORITY_SPEAKER = 1 << 8
    STREAM = 1 << 9
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    VIEW_GUILD_INSIGHTS = 1 << 19
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    MUTE_MEMBERS = 1 << 22
    DEAFEN_MEMBERS = 1 << 23
    MOVE_MEMBERS = 1 << 24
    USE_VAD = 1 << 25
    CHANGE_NICKNAME = 1 << 26
    MANAGE_NICKNAMES = 1 << 27
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    MANAGE_GUILD_EXPRESSIONS = 1 << 30
    USE_APPLICATION_COMMANDS = 1 << 31
    REQUEST_TO_SPEAK = 1 << 32
    MANAGE_EVENTS = 1 << 33
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    USE_EXTERNAL_STICKERS = 1 << 37
    SEND_MESSAGES_IN_THREADS = 1 << 38
    USE_EMBEDDED_ACTIVITIES = 1 << 39
    MODERATE_MEMBERS = 1 << 40
    VIEW_CREATOR_MONETIZATION_ANALYTICS = 1 << 41
    USE_SOUNDBOARD = 1 << 42
    CREATE_GUILD_EXPRESSIONS = 1 << 43
    CREATE_EVENTS = 1 << 44
    USE_EXTERNAL_SOUNDS = 1 << 45
    SEND_VOICE_MESSAGES = 1 << 46
    SET_VOICE_CHANNEL_STATUS = 1 << 48
    SEND_POLLS = 1 << 49
    USE_EXTERNAL_APPS = 1 << 50
    PIN_MESSAGES = 1 << 51
    BYPASS_SLOWMODE = 1 << 52


P = Permission
NONE = P(0)
ALL = P((1 << 53) - 1)
"""Every bit, those without a name included: Discord gives administrators new ones too."""

_ROLE, _MEMBER = 0, 1
_WITHOUT_SEND = P.MENTION_EVERYONE | P.SEND_TTS_MESSAGES | P.ATTACH_FILES | P.EMBED_LINKS
_TIMED_OUT = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY
_VOICE = (ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE)


def parse_permissions(value: Any) -> Permission:
    """Bits from the decimal text Discord sends; anything else counts as none."""
    try:
        return P(int(value) & int(ALL))
    except (TypeError, ValueError):
        return NONE


def base_permissions(
    guild: Mapping[str, Any],
    roles: Iterable[Mapping[str, Any]],
    user_id: str,
    member_roles: Iterable[str],
) -> Permission:
    """What a member has in the guild, before any channel.

    Args:
        guild: needs ``id`` and ``owner_id``.
        roles: the guild's roles: ``id`` and ``permissions``; ``@everyone`` has the guild's id.
        member_roles: ids of the member's roles.
    """
    if user_id and str(guild.get("owner_id") or "") == user_id:
        return ALL
    wanted = {str(guild.get("id") or ""), *(str(role) for role in member_roles)}
    total = NONE
    for role in roles:
        if str(role.get("id")) in wanted:
            total |= parse_permissions(role.get("permissions"))
    return ALL if P.ADMINISTRATOR in total else total


def overwritten(
    base: Permission,
    overwrites: Iterable[Mapping[str, Any]],
    guild_id: str,
    user_id: str,
    member_roles: Iterable[str],
) -> Permission:
    """``base`` with a channel's overwrites applied. Role order plays no part: an allow beats a deny."""
    if P.ADMINISTRATOR in base:
        return ALL
    mine = {str(role) for role in member_roles} - {guild_id}
    everyone = member = (NONE, NONE)
    denied = allowed = NONE
    for entry in overwrites:
        allow, deny = parse_permissions(entry.get("allow")), parse_permissions(entry.get("deny"))
        target, kind = str(entry.get("id")), _kind(entry.get("type"))
        if kind == _MEMBER:
            member = (allow, deny) if target == user_id else member
        elif target == guild_id:
            everyone = (allow, deny)
        elif target in mine:
            allowed, denied = allowed | allow, denied | deny
    total = base
    for allow, deny in (everyone, (allowed, denied), member):
        total = (total & ~deny) | allow
    return total


def channel_permissions(
    base: Permission,
    channel: Mapping[str, Any],
    guild_id: str,
    user_id: str,
    member_roles: Iterable[str],
    *,
    parent: Mapping[str, Any] | None = None,
    silenced: bool = False,
) -> Permission:
    """What a member may do in a channel or thread, implicit rules included.

    Args:
        base: from :func:`base_permissions`.
        channel: ``type`` and ``permission_overwrites``.
        parent: of a thread, whose overwrites count there. Without it a thread allows nothing.
        silenced: the member is in time-out now (:func:`timed_out`); administrators are exempt.
    """
    kind = _channel_type(channel)
    thread = is_thread(kind)
    place = parent if thread else channel
    if place is None:
        return base if P.ADMINISTRATOR in base else NONE
    total = overwritten(base, place.get("permission_overwrites") or (), guild_id, user_id, member_roles)
    if P.ADMINISTRATOR in total and P.ADMINISTRATOR in base:
        return ALL
    if P.VIEW_CHANNEL not in total:
        return NONE
    if kind in _VOICE and P.CONNECT not in total:
        return total & P.VIEW_CHANNEL
    if silenced:
        return total & _TIMED_OUT
    if thread:
        may_send = P.SEND_MESSAGES_IN_THREADS in total
        total = (total | P.SEND_MESSAGES) if may_send else (total & ~P.SEND_MESSAGES)
    if P.SEND_MESSAGES not in total:
        total &= ~_WITHOUT_SEND
    return total


def permissions_in(
    guild: Mapping[str, Any],
    roles: Iterable[Mapping[str, Any]],
    channel: Mapping[str, Any],
    member: Mapping[str, Any],
    user_id: str,
    *,
    parent: Mapping[str, Any] | None = None,
    now: dt.datetime | None = None,
) -> Permission:
    """Everything at once, from the objects of events: what ``user_id`` may do in ``channel``."""
    member_roles = [str(role) for role in member.get("roles") or () if isinstance(role, str | int)]
    base = base_permissions(guild, roles, user_id, member_roles)
    return channel_permissions(
        base,
        channel,
        str(guild.get("id") or ""),
        user_id,
        member_roles,
        parent=parent,
        silenced=timed_out(member, now=now),
    )


def timed_out(member: Mapping[str, Any], *, now: dt.datetime | None = None) -> bool:
    """Whether a member is in time-out. A time that cannot be read counts as over."""
    until = member.get("communication_disabled_until")
    if not isinstance(until, str):
        return False
    try:
        moment = dt.datetime.fromisoformat(until)
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment > (now or dt.datetime.now(tz=dt.UTC))


def missing_names(have: Permission, needed: Permission) -> tuple[str, ...]:
    """Names, as Discord's settings show them, of what is needed and not there: ``("Send Messages",)``."""
    return tuple(_title(flag) for flag in P if flag in needed and flag not in have)


def _title(flag: Permission) -> str:
    return (flag.name or "?").replace("_", " ").title().replace("Tts", "TTS").replace("Vad", "VAD")


def _kind(value: Any) -> int:
    """Overwrite kind; older servers send the words."""
    if value in (1, "1", "member"):
        return _MEMBER
    return _ROLE


def _channel_type(channel: Mapping[str, Any]) -> int:
    value = channel.get("type")
    return value if isinstance(value, int) else ChannelType.GUILD_TEXT
