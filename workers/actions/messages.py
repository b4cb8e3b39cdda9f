"""Messages: read, edited, deleted, pinned, searched; permissions in a channel (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

from typing import Any

from shoal.discord.errors import NotFound
from shoal.discord.permissions import Permission, permissions_in
from shoal.discord.routes import Route
from workers.actions.base import (
    Action,
    ActionContext,
    ActionError,
    Args,
    ArgumentError,
    Json,
    ask,
    reason_of,
    stamped,
)
from workers.actions.making import my_id
from workers.actions.reach import REFUSED, may_know, may_read, readable, writable

__all__ = ["MESSAGE_ACTIONS"]

CHANNEL = "/channels/{channel_id}"
MESSAGE = f"{CHANNEL}/messages/{{message_id}}"


def _read(args: Args, context: ActionContext) -> Json:
    """Newest first, as Discord has them; with ``messageId`` that one message."""
    channel_id = readable(args, context)
    query: Json = {"limit": args.number("limit", least=1, most=100, default=20)}
    bounds = {name: args.id(name) for name in ("before", "after", "around") if args.raw(name) is not None}
    if len(bounds) > 1:
        raise ArgumentError(f"Only one of before, after and around is possible, not {' and '.join(bounds)}.")
    if args.raw("messageId") is not None and not bounds:
        found = [context.rest.get_message(channel_id, args.named_message())]
    else:
        route = Route("GET", f"{CHANNEL}/messages", channel_id=channel_id)
        found = context.rest.call(route, query=query | bounds).data
    return {"channelId": channel_id, "messages": [stamped(one) for one in found]}


def _fetch(args: Args, context: ActionContext) -> Json:
    link = args.link("messageLink", "link")
    if link is not None:
        args = Args({"channelId": link[0], "messageId": link[1]})
    channel_id = readable(args, context)
    message_id = args.message(context)
    message = context.rest.get_message(channel_id, message_id)
    guild = (context.facts.channel(context.account, channel_id) or {}).get("guild_id")
    return {"message": stamped(message), "guildId": guild, "channelId": channel_id, "messageId": message_id}


def _edit(args: Args, context: ActionContext) -> Json:
    """Changes the text; an empty one is possible where the message has something else to show."""
    emptied = args.raw("message", "content", "text") is None and args.has("message")
    content = "" if emptied else args.text("message", "content", "text", most=2_000)
    message = context.rest.edit_message(writable(args, context), args.named_message(), content=content)
    return {"message": stamped(message)}


def _delete(args: Args, context: ActionContext) -> Json:
    channel_id, message_id = writable(args, context), args.named_message()
    if context.sender_id is not None:
        try:
            author = str((context.rest.get_message(channel_id, message_id).get("author") or {}).get("id"))
        except NotFound:
            if context.again:
                return {}  # the try before deleted it
            raise
        me = my_id(context)
        own = author == context.sender_id and not context.others
        if author != me and not own:
            context.demand(Permission.MANAGE_MESSAGES)
    ask(
        context,
        Route("DELETE", MESSAGE, channel_id=channel_id, message_id=message_id),
        reason=reason_of(args),
    )
    return {}


def _pin(args: Args, context: ActionContext) -> Json:
    context.rest.call(_pin_route("PUT", args, context))
    return {}


def _unpin(args: Args, context: ActionContext) -> Json:
    context.rest.call(_pin_route("DELETE", args, context))
    return {}


def _pin_route(method: str, args: Args, context: ActionContext) -> Route:
    path = f"{CHANNEL}/messages/pins/{{message_id}}"
    return Route(method, path, channel_id=writable(args, context), message_id=args.message(context))


def _pins(args: Args, context: ActionContext) -> Json:
    route = Route("GET", f"{CHANNEL}/messages/pins", channel_id=readable(args, context))
    answer: Any = context.rest.call(route).data
    items = answer.get("items", []) if isinstance(answer, dict) else answer
    return {"pins": [_pinned(one) for one in items]}


def _pinned(item: Json) -> Json:
    """An item of Discord's list with the times of its message, wherever one looks for them (7.4)."""
    if not isinstance(item.get("message"), dict):
        return stamped(item)
    message = stamped(item["message"])
    times: Json = {name: message[name] for name in ("timestampMs", "timestampUtc") if name in message}
    return {**item, **times, "message": message}


def _search(args: Args, context: ActionContext) -> Json:
    guild_id = args.guild(context)
    query: Json = {
        "content": args.text("query", "content", most=1_024),
        "limit": args.number("limit", least=1, most=25, default=25),
    }
    if args.raw("channelIds", "channelId") is not None:
        query["channel_id"] = args.ids("channelIds", "channelId")
    if args.raw("authorIds", "authorId") is not None:
        query["author_id"] = args.ids("authorIds", "authorId")
    route = Route("GET", "/guilds/{guild_id}/messages/search", guild_id=guild_id)
    answer = context.rest.call(route, query=query).data
    if answer.get("code") == 110000:
        wait = answer.get("retry_after", 0)
        raise ActionError(
            f"Discord message search unavailable: the index is not ready (retry after {wait}s)."
        )
    groups = [
        [stamped(one) for one in group]
        for group in answer.get("messages", [])
        if all(may_read(str(one.get("channel_id")), context) for one in group)
    ]
    # Discord counts what the bot can see: for a person that would tell of channels he cannot read
    total = answer.get("total_results", 0) if context.sender_id is None else len(groups)
    return {"results": {"total_results": total, "messages": groups}}


def _permissions(args: Args, context: ActionContext) -> Json:
    channel_id = args.channel(context)
    channel = context.rest.get_channel(channel_id)
    if not may_know(channel, context):
        raise ActionError(REFUSED)
    guild_id = channel.get("guild_id")
    if not guild_id:
        shown: Json = {"channelId": channel_id, "permissions": [], "raw": "0", "isDm": True}
        return {"permissions": {**shown, "channelType": channel.get("type")}}
    guild = context.rest.get_guild(str(guild_id))
    me = my_id(context)
    parent = context.rest.get_channel(str(channel["parent_id"])) if channel.get("thread_metadata") else None
    member = context.rest.get_guild_member(str(guild_id), me)
    allowed = permissions_in(guild, guild.get("roles", []), channel, member, me, parent=parent)
    names = sorted(flag.name or "" for flag in Permission if flag in allowed)
    return {
        "permissions": {
            "channelId": channel_id,
            "guildId": guild_id,
            "permissions": names,
            "raw": str(int(allowed)),
            "isDm": False,
            "channelType": channel.get("type"),
        }
    }


MESSAGE_ACTIONS = (
    Action("read", "messages", "read messages of a channel; target, limit, before, after, around", _read),
    Action("fetch-message", "messages", "one message; messageLink, or target and messageId", _fetch),
    Action("edit", "messages", "change a message of yours; messageId, message", _edit),
    Action("delete", "messages", "delete a message; messageId", _delete),
    Action("pin", "pins", "pin a message; messageId", _pin, asks=Permission.PIN_MESSAGES),
    Action("unpin", "pins", "unpin a message; messageId", _unpin, asks=Permission.PIN_MESSAGES),
    Action("list-pins", "pins", "pinned messages of a channel", _pins),
    Action("search", "search", "search messages of the server; query, channelIds, authorIds, limit", _search),
    Action("permissions", "permissions", "what you may do in a channel; target", _permissions),
)
