"""Messages: read, edited, deleted, pinned, searched; reactions and permissions (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

from typing import Any

from shoal.discord.permissions import Permission, permissions_in
from shoal.discord.routes import Route
from workers.actions.base import Action, ActionContext, ActionError, Args, Json, stamped

__all__ = ["MESSAGE_ACTIONS", "writable"]

CHANNEL = "/channels/{channel_id}"
MESSAGE = f"{CHANNEL}/messages/{{message_id}}"


def _readable(args: Args, context: ActionContext) -> str:
    """The channel to read, if it may be read."""
    channel_id = args.channel(context)
    if not _may_read(channel_id, context):
        raise ActionError("Discord read target channel is not allowed.")
    return channel_id


def _may_read(channel_id: str, context: ActionContext) -> bool:
    """What the config and the person's own permissions let be read; the own conversation always."""
    return context.sender_id is None or channel_id == context.channel_id or context.may_read(channel_id)


def _read(args: Args, context: ActionContext) -> Json:
    channel_id = _readable(args, context)
    limit = args.number("limit", least=1, most=100, default=20)
    query: Json = {"limit": limit}
    for name in ("before", "after", "around"):
        if args.raw(name) is not None:
            query[name] = args.id(name)
    route = Route("GET", f"{CHANNEL}/messages", channel_id=channel_id)
    found: list[Json] = context.rest.call(route, query=query).data
    return {"channelId": channel_id, "messages": [stamped(one) for one in found]}


def _fetch(args: Args, context: ActionContext) -> Json:
    link = args.link("messageLink", "link")
    if link is not None:
        args = Args({"channelId": link[0], "messageId": link[1]})
    channel_id = _readable(args, context)
    message_id = args.message(context)
    message = context.rest.get_message(channel_id, message_id)
    guild = (context.facts.channel(context.account, channel_id) or {}).get("guild_id")
    return {"message": stamped(message), "guildId": guild, "channelId": channel_id, "messageId": message_id}


def writable(args: Args, context: ActionContext) -> str:
    """The channel to act in: the conversation, or for owners any of the same server (rule R16)."""
    channel_id = args.channel(context)
    if channel_id == context.channel_id or context.sender_id is None:
        return channel_id
    known = context.facts.channel(context.account, channel_id) or {}
    if not context.by_owner or not context.guild_id or str(known.get("guild_id")) != context.guild_id:
        raise ActionError("Only this conversation can be written to here.")
    return channel_id


def _edit(args: Args, context: ActionContext) -> Json:
    content = args.text("message", "content", "text", most=2_000)
    message = context.rest.edit_message(writable(args, context), args.id("messageId"), content=content)
    return {"message": stamped(message)}


def _delete(args: Args, context: ActionContext) -> Json:
    channel_id, message_id = writable(args, context), args.id("messageId")
    if context.sender_id is not None:
        author = str((context.rest.get_message(channel_id, message_id).get("author") or {}).get("id"))
        me = str((context.facts.me(context.account) or context.rest.get_current_user())["id"])
        own = author == context.sender_id and not context.others
        if author != me and not own:
            context.demand(Permission.MANAGE_MESSAGES)
    context.rest.delete_message(channel_id, message_id)
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
    route = Route("GET", f"{CHANNEL}/messages/pins", channel_id=_readable(args, context))
    answer: Any = context.rest.call(route).data
    items = answer.get("items", []) if isinstance(answer, dict) else answer
    return {
        "pins": [
            {**one, "message": stamped(one["message"])} if "message" in one else stamped(one) for one in items
        ]
    }


def _reactions(args: Args, context: ActionContext) -> Json:
    channel_id, message_id = _readable(args, context), args.message(context)
    limit = args.number("limit", least=1, most=100, default=100) or 100
    message = context.rest.get_message(channel_id, message_id)
    found = []
    for reaction in message.get("reactions") or []:
        emoji = reaction.get("emoji") or {}
        raw = f"{emoji.get('name')}:{emoji['id']}" if emoji.get("id") else str(emoji.get("name") or "")
        route = Route(
            "GET", f"{MESSAGE}/reactions/{{emoji}}", channel_id=channel_id, message_id=message_id, emoji=raw
        )
        users = context.rest.call(route, query={"limit": limit}).data
        found.append(
            {
                "emoji": {"id": emoji.get("id"), "name": emoji.get("name"), "raw": raw},
                "count": reaction.get("count", 0),
                "users": [
                    {"id": user["id"], "username": user.get("username"), "tag": user.get("username")}
                    for user in users
                ],
            }
        )
    return {"reactions": found}


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
        if all(_may_read(str(one.get("channel_id")), context) for one in group)
    ]
    # Discord counts what the bot can see: for a person that would tell of channels he cannot read
    total = answer.get("total_results", 0) if context.sender_id is None else len(groups)
    return {"results": {"total_results": total, "messages": groups}}


def _permissions(args: Args, context: ActionContext) -> Json:
    channel_id = args.channel(context)
    channel = context.rest.get_channel(channel_id)
    guild_id = channel.get("guild_id")
    if not guild_id:
        shown: Json = {"channelId": channel_id, "permissions": [], "raw": "0", "isDm": True}
        return {"permissions": {**shown, "channelType": channel.get("type")}}
    guild = context.rest.get_guild(str(guild_id))
    me = str((context.facts.me(context.account) or context.rest.get_current_user())["id"])
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
    Action("pin", "pins", "pin a message; messageId", _pin, asks=Permission.MANAGE_MESSAGES),
    Action("unpin", "pins", "unpin a message; messageId", _unpin, asks=Permission.MANAGE_MESSAGES),
    Action("list-pins", "pins", "pinned messages of a channel", _pins),
    Action("reactions", "reactions", "who reacted to a message; messageId, limit", _reactions),
    Action("search", "search", "search messages of the server; query, channelIds, authorIds, limit", _search),
    Action("permissions", "permissions", "what you may do in a channel; target", _permissions),
)
