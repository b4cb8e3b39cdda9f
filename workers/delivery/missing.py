"""Which permission was missing: a 403 of Discord's says only that one was (``spec/outbound.md`` 1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shoal.base.errors import ShoalError
from shoal.discord.errors import MissingPermissions
from shoal.discord.permissions import Permission, missing_names, permissions_in
from shoal.discord.rest import Rest

__all__ = ["NEEDED", "missing_in", "naming_missing", "permissions_here"]

P = Permission
_CHANNEL = "/channels/{channel_id}"
_MESSAGES = f"{_CHANNEL}/messages"
_MEMBER = "/guilds/{guild_id}/members/{user_id}"
NEEDED: dict[str, Permission] = {
    f"POST {_MESSAGES}": P.VIEW_CHANNEL | P.SEND_MESSAGES,
    f"GET {_MESSAGES}": P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY,
    f"GET {_MESSAGES}/{{message_id}}": P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY,
    f"DELETE {_MESSAGES}/{{message_id}}": P.VIEW_CHANNEL | P.MANAGE_MESSAGES,
    f"GET {_MESSAGES}/pins": P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY,
    f"PUT {_MESSAGES}/pins/{{message_id}}": P.VIEW_CHANNEL | P.PIN_MESSAGES,
    f"DELETE {_MESSAGES}/pins/{{message_id}}": P.VIEW_CHANNEL | P.PIN_MESSAGES,
    f"PUT {_MESSAGES}/{{message_id}}/reactions/{{emoji}}/@me": (
        P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY | P.ADD_REACTIONS
    ),
    f"POST {_CHANNEL}/threads": P.VIEW_CHANNEL | P.CREATE_PUBLIC_THREADS,
    f"POST {_MESSAGES}/{{message_id}}/threads": P.VIEW_CHANNEL | P.CREATE_PUBLIC_THREADS,
    f"GET {_CHANNEL}": P.VIEW_CHANNEL,
    f"PATCH {_CHANNEL}": P.VIEW_CHANNEL | P.MANAGE_CHANNELS,
    f"DELETE {_CHANNEL}": P.VIEW_CHANNEL | P.MANAGE_CHANNELS,
}
"""Route → what the bot needs in the channel for it."""


def permissions_here(rest: Rest, channel_id: str) -> Permission | None:
    """What the bot may do in a channel of a server; ``None``: it is a private channel.

    Raises:
        DiscordError, TransportError, RateWait: it could not be found out now.
    """
    channel = rest.get_channel(channel_id)
    if not channel.get("guild_id"):
        return None
    guild, me = rest.get_guild(str(channel["guild_id"])), str(rest.get_current_user()["id"])
    member = rest.get_guild_member(str(guild["id"]), me)
    parent = rest.get_channel(str(channel["parent_id"])) if channel.get("thread_metadata") else None
    return permissions_in(guild, guild.get("roles", []), channel, member, me, parent=parent)


def missing_in(rest: Rest, channel_id: str, needed: Permission) -> tuple[str, ...]:
    """Names of what the bot lacks in a channel of a server; nothing where that cannot be found out."""
    try:
        have = permissions_here(rest, channel_id)
    except MissingPermissions as hidden:
        return missing_names(Permission(0), P.VIEW_CHANNEL) if hidden.route == f"GET {_CHANNEL}" else ()
    except ShoalError:
        return ()
    return missing_names(have, needed) if have is not None else ()


@contextmanager
def naming_missing(rest: Rest, channel_id: str) -> Iterator[None]:
    """A refusal that passes through names the permissions that are missing in the channel."""
    try:
        yield
    except MissingPermissions as error:
        needed = NEEDED.get(error.route)
        if needed is not None and channel_id and not error.missing:
            missing = missing_in(rest, channel_id, needed)
            if missing:
                error.with_missing(missing, channel_id=channel_id)
        raise
