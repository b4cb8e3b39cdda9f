"""What was missing: a 403 of Discord's says only that something was (``spec/outbound.md`` 1.7).

Asked of Discord at that moment, and worked out by the same code that decides what anybody may do
(:mod:`shoal.discord.permissions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shoal.base.errors import ShoalError
from shoal.discord.codes import UNKNOWN_CHANNEL
from shoal.discord.errors import MissingPermissions, NotFound
from shoal.discord.permissions import (
    Permission,
    base_permissions,
    missing_names,
    permissions_in,
    timed_out,
)
from shoal.discord.rest import Rest
from shoal.discord.wire import is_thread
from workers.delivery.records import SendRequest

__all__ = [
    "NEEDED",
    "NEEDED_IN_GUILD",
    "Lack",
    "explained",
    "lack_in",
    "name_missing",
    "permissions_for",
    "permissions_here",
]

P = Permission
NOTHING = P(0)
_CHANNEL = "/channels/{channel_id}"
_MESSAGES = f"{_CHANNEL}/messages"
_MESSAGE = f"{_MESSAGES}/{{message_id}}"
_REACTIONS = f"{_MESSAGE}/reactions"
_MEMBER = "/guilds/{guild_id}/members/{user_id}"
_SEE, _READ = P.VIEW_CHANNEL, P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY
NEEDED: dict[str, Permission] = {
    f"POST {_MESSAGES}": _SEE | P.SEND_MESSAGES,
    f"GET {_MESSAGES}": _READ,
    f"GET {_MESSAGE}": _READ,
    f"PATCH {_MESSAGE}": _SEE,
    f"DELETE {_MESSAGE}": _SEE | P.MANAGE_MESSAGES,
    f"GET {_MESSAGES}/pins": _READ,
    f"PUT {_MESSAGES}/pins/{{message_id}}": _SEE | P.PIN_MESSAGES,
    f"DELETE {_MESSAGES}/pins/{{message_id}}": _SEE | P.PIN_MESSAGES,
    f"PUT {_REACTIONS}/{{emoji}}/@me": _READ | P.ADD_REACTIONS,
    f"GET {_REACTIONS}/{{emoji}}": _READ,
    f"DELETE {_REACTIONS}/{{emoji}}/{{user_id}}": _READ | P.MANAGE_MESSAGES,
    f"POST {_CHANNEL}/typing": _SEE | P.SEND_MESSAGES,
    f"POST {_CHANNEL}/attachments": _SEE | P.SEND_MESSAGES | P.ATTACH_FILES,
    f"POST {_CHANNEL}/threads": _SEE | P.CREATE_PUBLIC_THREADS,
    f"POST {_MESSAGE}/threads": _SEE | P.CREATE_PUBLIC_THREADS,
    f"GET {_CHANNEL}/threads/archived/public": _READ,
    f"POST {_CHANNEL}/webhooks": _SEE | P.MANAGE_WEBHOOKS,
    f"GET {_CHANNEL}/webhooks": _SEE | P.MANAGE_WEBHOOKS,
    f"GET {_CHANNEL}": _SEE,
    f"PATCH {_CHANNEL}": _SEE | P.MANAGE_CHANNELS,
    f"DELETE {_CHANNEL}": _SEE | P.MANAGE_CHANNELS,
    f"PUT {_CHANNEL}/permissions/{{overwrite_id}}": _SEE | P.MANAGE_ROLES,
    f"DELETE {_CHANNEL}/permissions/{{overwrite_id}}": _SEE | P.MANAGE_ROLES,
}
"""Route → what the bot needs in the channel for it."""

NEEDED_IN_GUILD: dict[str, Permission] = {
    "POST /guilds/{guild_id}/channels": P.MANAGE_CHANNELS,
    "PATCH /guilds/{guild_id}/channels": P.MANAGE_CHANNELS,
    f"DELETE {_MEMBER}": P.KICK_MEMBERS,
    f"PATCH {_MEMBER}": P.MODERATE_MEMBERS,
    f"PUT {_MEMBER}/roles/{{role_id}}": P.MANAGE_ROLES,
    f"DELETE {_MEMBER}/roles/{{role_id}}": P.MANAGE_ROLES,
    "POST /guilds/{guild_id}/roles": P.MANAGE_ROLES,
    "PUT /guilds/{guild_id}/bans/{user_id}": P.BAN_MEMBERS,
    "GET /guilds/{guild_id}/bans/{user_id}": P.BAN_MEMBERS,
    "POST /guilds/{guild_id}/emojis": P.CREATE_GUILD_EXPRESSIONS,
    "POST /guilds/{guild_id}/stickers": P.CREATE_GUILD_EXPRESSIONS,
    "POST /guilds/{guild_id}/scheduled-events": P.CREATE_EVENTS,
}
"""Route → what the bot needs in the whole server for it."""


def permissions_here(rest: Rest, channel_id: str) -> Permission | None:
    """What the bot may do in a channel of a server; ``None``: it is a private channel.

    Raises:
        DiscordError, TransportError, RateWait: it could not be found out now.
    """
    channel = rest.get_channel(channel_id)
    return _here(rest, channel)[0] if channel.get("guild_id") else None


def _here(rest: Rest, channel: dict[str, Any]) -> tuple[Permission, dict[str, Any]]:
    """What the bot may do in a channel of a server, and itself as its member."""
    guild, me, member = _standing(rest, str(channel["guild_id"]))
    parent = rest.get_channel(str(channel["parent_id"])) if channel.get("thread_metadata") else None
    return permissions_in(guild, guild.get("roles", []), channel, member, me, parent=parent), member


_BARE = re.compile(r"\d{5,25}")


@dataclass(frozen=True, slots=True)
class Lack:
    """What the bot lacks in a place.

    Attributes:
        names: permissions by the names Discord's settings show.
        until: end of the bot's time-out there (ISO 8601), or empty.
    """

    names: tuple[str, ...] = ()
    until: str = ""


def lack_in(rest: Rest, channel_id: str, needed: Permission) -> Lack | None:
    """What the bot lacks in a channel of a server; ``None`` where that cannot be found out.

    Args:
        needed: for a thread, Send Messages stands for Send Messages in Threads.
    """
    try:
        channel = rest.get_channel(channel_id)
        if not channel.get("guild_id"):
            return None
        have, member = _here(rest, channel)
    except MissingPermissions as hidden:
        return Lack(missing_names(NOTHING, P.VIEW_CHANNEL)) if hidden.route == f"GET {_CHANNEL}" else None
    except ShoalError:
        return None
    if is_thread(int(channel.get("type") or 0)) and P.SEND_MESSAGES in needed:
        needed = (needed & ~P.SEND_MESSAGES) | P.SEND_MESSAGES_IN_THREADS
    return _lack(missing_names(have, needed), member)


def _lack_in_guild(rest: Rest, guild_id: str, needed: Permission) -> Lack | None:
    try:
        guild, me, member = _standing(rest, guild_id)
    except ShoalError:
        return None
    have = base_permissions(
        guild, guild.get("roles", []), me, [str(role) for role in member.get("roles", [])]
    )
    return _lack(missing_names(have, needed), member)


def _standing(rest: Rest, guild_id: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The server, and who the bot is there."""
    guild, me = rest.get_guild(guild_id), str(rest.get_current_user()["id"])
    return guild, me, rest.get_guild_member(guild_id, me)


def _lack(names: tuple[str, ...], member: dict[str, Any]) -> Lack:
    """A time-out is the whole reason, if there is one: it takes nearly everything."""
    until = str(member.get("communication_disabled_until")) if names and timed_out(member) else ""
    return Lack(names, until)


def name_missing(
    error: MissingPermissions, rest: Rest, channel_id: str, *, guild_id: str = "", more: Permission = NOTHING
) -> None:
    """Have a refusal name what is missing.

    Args:
        more: needed besides what the route needs, for what went along: files, embeds, a reply.
    """
    if error.missing or error.timed_out:
        return
    lack: Lack | None = None
    if channel_id and error.route in NEEDED:
        lack = lack_in(rest, channel_id, NEEDED[error.route] | more)
    elif guild_id and error.route in NEEDED_IN_GUILD:
        lack = _lack_in_guild(rest, guild_id, NEEDED_IN_GUILD[error.route])
    if lack is not None:
        error.with_missing(lack.names, channel_id=channel_id, timed_out=lack.until)


def permissions_for(request: SendRequest) -> Permission:
    """What a send needs besides what any message needs."""
    more = NOTHING
    if request.files:
        more |= P.ATTACH_FILES
    if request.embeds:
        more |= P.EMBED_LINKS
    if request.reply_to:
        more |= P.READ_MESSAGE_HISTORY
    if request.poll is not None:
        more |= P.SEND_POLLS
    return more


@contextmanager
def explained(
    rest: Rest, channel_id: str, *, guild_id: str = "", given: str = "", more: Permission = NOTHING
) -> Iterator[None]:
    """A refusal that passes through says what is missing, and what a wrong target may have meant.

    Args:
        given: the target as it was written: a bare number may be a user's.
        more: see :func:`name_missing`.
    """
    try:
        yield
    except MissingPermissions as error:
        name_missing(error, rest, channel_id, guild_id=guild_id, more=more)
        raise
    except NotFound as error:
        if error.json_code == UNKNOWN_CHANNEL and _BARE.fullmatch(given.strip()):
            error.with_guess(given.strip())
        raise
