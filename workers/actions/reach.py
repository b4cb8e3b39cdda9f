"""How far an action reaches: places of one server, and for most people the server they ask in.

The model names channels and servers; a permission that was looked up in one server must never be used
in another, and what can be seen elsewhere is not told here (rule R16, ``spec/outbound.md`` 7.5).
"""

from __future__ import annotations

from workers.actions.base import Action, ActionContext, ActionError, Args

__all__ = ["check_reach"]

PLACES = ("channelId", "categoryId", "target", "to", "threadId", "parentId")
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
    if action.asks is not None:
        guild_id = args.guild(context)
    elif context.by_owner:
        return
    else:
        guild_id = context.guild_id or ""
        named = args.raw("guildId", "serverId")
        if named is not None and str(named) != guild_id:
            raise ActionError(REFUSED, fix="Ask in that server.")
    for name in PLACES:
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
