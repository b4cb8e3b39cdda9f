"""How far an action reaches: places of one server, and for most people the server they ask in.

The model names channels and servers; a permission that was looked up in one server must never be used
in another, and what can be seen elsewhere is not told here (rule R16, ``spec/outbound.md`` 7.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.discord.wire import ChannelType
from workers.actions.base import PLACES, Action, ActionContext, ActionError, Args

__all__ = ["REFUSED", "check_reach", "in_channels", "may_know", "may_read", "readable", "writable"]

NAMED = (*PLACES, "parentId")
REFUSED = "Discord read target channel is not allowed."


def check_reach(action: Action, args: Args, context: ActionContext) -> None:
    """Refuse places of a server that is not the one this action is about.

    Whoever is allowed to change something is so in one server: every named place is in that one. What
    needs no permission happens in the server of the conversation, save for owners.

    Raises:
        ActionError: a place is elsewhere, or in no server at all.
        DiscordError, TransportError: from asking where it is.
    """
    if context.sender_id is None:
        return
    args = in_channels(action, args, context)
    if action.asks is not None:
        guild_id = args.guild(context)
    elif context.by_owner:
        return
    else:
        guild_id = context.guild_id or ""
        named = args.raw("guildId", "serverId")
        if named is not None and str(named) != guild_id:
            raise ActionError(REFUSED, fix="Ask in that server.")
    for name in NAMED:
        if args.raw(name) is None:
            continue
        channel_id = args.channel(context, name)
        if channel_id == context.channel_id and guild_id == (context.guild_id or ""):
            continue
        if not guild_id or _home(channel_id, context) != guild_id:
            raise ActionError(REFUSED, fix="Name a place of this server.")


def _home(channel_id: str, context: ActionContext) -> str:
    known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
    return str(known.get("guild_id") or "")


def in_channels(action: Action, args: Args, context: ActionContext) -> Args:
    """The arguments with the channel of a user's private messages, for actions that take a user as target.

    Raises:
        ActionError: nobody wrote there yet, and it is not for the one who asks to begin it.
        DiscordError, TransportError: from opening them for an operator.
    """
    if not action.users or not args.private():
        return args
    user_id = args.user(*PLACES)
    known = context.facts.dm_channel(context.account, user_id)
    if known is None and context.sender_id is not None:
        raise ActionError("Only this conversation can be written to here.")
    return args.at(known or str(context.rest.create_dm(user_id)["id"]))


def may_read(channel_id: str, context: ActionContext) -> bool:
    """What the config and the person's own permissions let be read; the own conversation always."""
    return context.sender_id is None or channel_id == context.channel_id or context.may_read(channel_id)


def may_know(channel: Mapping[str, Any], context: ActionContext) -> bool:
    """Whether the one who asks may know that a channel or thread is there, and what it is called.

    He knows the conversation, its channel's threads, what he may read, and as an owner everything. A private
    thread is known to those who were asked into it: who that is, its parent does not say.
    """
    if context.sender_id is None or context.by_owner or may_read(str(channel.get("id")), context):
        return True
    beside = str(channel.get("parent_id") or "") == context.channel_id != ""
    return beside and channel.get("type") in (ChannelType.PUBLIC_THREAD, ChannelType.ANNOUNCEMENT_THREAD)


def readable(args: Args, context: ActionContext) -> str:
    """The channel to read.

    Raises:
        ActionError: none is named, or it may not be read.
    """
    channel_id = args.channel(context)
    if not may_read(channel_id, context):
        raise ActionError(REFUSED)
    return channel_id


def writable(args: Args, context: ActionContext, *names: str) -> str:
    """The channel to act in: the conversation, or for owners any of the same server (rule R16).

    Raises:
        ActionError: none is named, or it may not be written to from here.
    """
    channel_id = args.channel(context, *names)
    if channel_id == context.channel_id or context.sender_id is None:
        return channel_id
    known = context.facts.channel(context.account, channel_id) or {}
    if not context.by_owner or not context.guild_id or str(known.get("guild_id")) != context.guild_id:
        raise ActionError("Only this conversation can be written to here.")
    return channel_id
