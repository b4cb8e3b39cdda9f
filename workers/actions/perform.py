"""Doing an action: is it open, may the one who asked, then Discord's answer in plain words.

An agent acts with the bot's powers for people who have fewer. So what changes a server or its
members needs the same permission of the person who asked, checked with Discord at that moment
(``spec/outbound.md`` 7.5); the id of that person comes from the event and never from the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shoal.discord.errors import DiscordError, NotFound
from shoal.discord.permissions import Permission, base_permissions, permissions_in
from shoal.discord.wire import is_thread
from workers.actions.base import PLACES, Action, ActionContext, ActionError, Args, Json
from workers.actions.reach import in_channels
from workers.delivery.missing import explained

__all__ = ["perform"]

OF_A_CHANNEL = (
    Permission.MANAGE_CHANNELS
    | Permission.MANAGE_MESSAGES
    | Permission.PIN_MESSAGES
    | Permission.MANAGE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.CREATE_EVENTS
)
"""What a channel's overwrites take away again. The others are of the whole server."""


def perform(
    action: Action, values: Mapping[str, Any], gates: Mapping[str, bool], context: ActionContext
) -> Json:
    """Do one action.

    Returns:
        ``{"ok": true, …}`` as the manuals describe it.

    Raises:
        ActionError: it is switched off, an argument is wrong, or the one who asked may not.
        DiscordError, TransportError: Discord refused, or could not be reached.
    """
    if not gates.get(action.gate, False):
        raise ActionError(
            f"Discord {action.gate} actions are disabled.",
            fix=f"channels.discord.actions.{action.gate}: true.",
        )
    args = in_channels(action, Args(values), context)
    if context.sender_id is not None:
        context = replace(context, demand=lambda wanted: _check_senders(wanted, args, context))
        wanted = action.wanted(args, context)
        if wanted is not None:
            context.demand(wanted)
    named = args.channel(context) if context.channel_id or args.raw(*PLACES) is not None else ""
    guild_id = str(args.raw("guildId", "serverId") or context.guild_id or "")
    given = str(args.raw(*PLACES) or "")
    with explained(context.rest, named, guild_id=guild_id, given=given):
        return {"ok": True, **action.run(args, context)}


@dataclass(frozen=True, slots=True)
class _Where:
    """What is asked of Discord once for all who are checked; ``channel`` where overwrites count."""

    guild: Json
    channel: Json | None
    parent: Json | None


def _check_senders(wanted: Permission, args: Args, context: ActionContext) -> None:
    """Everybody whose words the turn has read (rule R7: a turn has the authority of its weakest message)."""
    guild_id = args.guild(context)
    if guild_id != context.guild_id and args.raw("guildId", "serverId") is None and not context.by_owner:
        raise ActionError("That channel is in another server.", fix="Name the server with guildId.")
    where = _where(wanted, guild_id, args, context)
    for one in dict.fromkeys((context.sender_id, *context.others)):
        _check_sender(wanted, where, args, replace(context, sender_id=one))


def _where(wanted: Permission, guild_id: str, args: Args, context: ActionContext) -> _Where:
    rest = context.rest
    channel = parent = None
    if wanted & OF_A_CHANNEL and (args.raw(*PLACES) is not None or guild_id == context.guild_id):
        channel = rest.get_channel(args.channel(context))
        if is_thread(int(channel.get("type") or 0)):
            parent = rest.get_channel(str(channel["parent_id"]))
    return _Where(rest.get_guild(guild_id), channel, parent)


def _check_sender(wanted: Permission, where: _Where, args: Args, context: ActionContext) -> None:
    guild, sender_id = where.guild, context.sender_id or ""
    try:
        member = context.rest.get_guild_member(str(guild["id"]), sender_id)
    except NotFound:
        raise ActionError("Discord guild admin actions require a trusted Discord sender identity.") from None
    roles = guild.get("roles", [])
    mine = [str(role) for role in member.get("roles", [])]
    allowed = base_permissions(guild, roles, sender_id, mine)
    if where.channel is not None:
        # who may do it in the server may still be kept out of this channel
        allowed &= permissions_in(guild, roles, where.channel, member, sender_id, parent=where.parent)
    if wanted not in allowed:
        raise ActionError("Sender does not have required permissions for this action.")
    if str(guild.get("owner_id")) == sender_id:
        return
    places = {str(role["id"]): int(role.get("position") or 0) for role in roles}
    top = max((places.get(role, 0) for role in mine), default=0)
    role_id, user_id = _acted_on(args)
    if role_id and places.get(role_id, 0) >= top:
        raise ActionError("Sender cannot manage a role that is not below their own.")
    if user_id:
        _check_target(user_id, guild, places, top, context)


def _acted_on(args: Args) -> tuple[str, str]:
    """Role and user that an action is about; empty where it is about none."""
    role_id = args.id("roleId") if args.raw("roleId") is not None else ""
    user_id = args.user("userId", "user") if args.raw("userId", "user") is not None else ""
    if args.raw("targetId") is not None:
        if args.raw("targetType") == "member":
            user_id = args.id("targetId")
        else:
            role_id = args.id("targetId")
    return role_id, user_id


def _check_target(
    user_id: str, guild: Mapping[str, Any], places: Mapping[str, int], top: int, context: ActionContext
) -> None:
    """Nobody acts on the owner, or on somebody who stands as high as he does."""
    if user_id == context.sender_id:
        return
    if str(guild.get("owner_id")) == user_id:
        raise ActionError("Nobody can do that to the owner of the server.")
    try:
        target = context.rest.get_guild_member(str(guild["id"]), user_id)
    except DiscordError as error:
        if isinstance(error, NotFound):
            return  # who has left stands below everybody
        raise
    if max((places.get(str(role), 0) for role in target.get("roles", [])), default=0) >= top:
        raise ActionError("Sender cannot act on a member who is not below them.")
