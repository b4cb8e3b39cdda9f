"""Servers: members, roles, channels, threads, events, emoji (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from shoal.discord.errors import NotFound
from shoal.discord.permissions import Permission
from shoal.discord.retry import Safety
from shoal.discord.routes import Route
from shoal.discord.wire import ChannelType
from workers.actions.base import Action, ActionContext, ActionError, Args, Json

__all__ = ["GUILD_ACTIONS"]

GUILD = "/guilds/{guild_id}"
CHANNEL = "/channels/{channel_id}"
ARCHIVE_MINUTES = (60, 1440, 4320, 10080)
FORUMS = (ChannelType.GUILD_FORUM, ChannelType.GUILD_MEDIA)
EVENT_TYPES = {"stage": 1, "voice": 2, "external": 3}


def _ask(context: ActionContext, method: str, path: str, *, reason: str = "", **values: Any) -> Any:
    """One request; ``json`` and ``query`` among the values are its body and query."""
    json, query = values.pop("json", None), values.pop("query", None)
    safety = Safety.CREATE if method == "POST" else Safety.IDEMPOTENT
    answer = context.rest.call(
        Route(method, path, **values), json=json, query=query, reason=reason or None, safety=safety
    )
    return answer.data if answer.data is not None else {}


def _member_info(args: Args, context: ActionContext) -> Json:
    return {"member": context.rest.get_guild_member(args.guild(context), args.user("userId", "user"))}


def _role_info(args: Args, context: ActionContext) -> Json:
    return {"roles": _ask(context, "GET", f"{GUILD}/roles", guild_id=args.guild(context))}


def _role(method: str) -> Any:
    def change(args: Args, context: ActionContext) -> Json:
        _ask(
            context,
            method,
            f"{GUILD}/members/{{user_id}}/roles/{{role_id}}",
            guild_id=args.guild(context),
            user_id=args.user("userId", "user"),
            role_id=args.id("roleId"),
            reason=args.text("reason", required=False, most=512),
        )
        return {}

    return change


def _channel_info(args: Args, context: ActionContext) -> Json:
    return {"channel": context.rest.get_channel(args.channel(context))}


def _channel_list(args: Args, context: ActionContext) -> Json:
    return {"channels": context.rest.get_guild_channels(args.guild(context))}


def _channel_create(args: Args, context: ActionContext) -> Json:
    body = args.given(topic="topic", position="position", nsfw="nsfw", parentId="parent_id")
    body |= {"name": args.text("name", most=100), "type": args.number("type", least=0, most=16, default=0)}
    return {"channel": _ask(context, "POST", f"{GUILD}/channels", guild_id=args.guild(context), json=body)}


def _channel_edit(args: Args, context: ActionContext) -> Json:
    names = {
        "name": "name", "topic": "topic", "position": "position", "nsfw": "nsfw", "parentId": "parent_id",
        "rateLimitPerUser": "rate_limit_per_user", "archived": "archived", "locked": "locked",
        "autoArchiveDuration": "auto_archive_duration", "availableTags": "available_tags",
    }  # fmt: skip
    body = args.given(**names)
    if args.flag("clearParent"):
        body["parent_id"] = None
    if not body:
        raise ActionError("There is nothing to change; name at least one of: " + ", ".join(names) + ".")
    return {"channel": _ask(context, "PATCH", CHANNEL, channel_id=args.channel(context), json=body)}


def _channel_delete(args: Args, context: ActionContext) -> Json:
    channel_id = args.id("channelId", "target", "categoryId")
    _ask(
        context,
        "DELETE",
        CHANNEL,
        channel_id=channel_id,
        reason=args.text("reason", required=False, most=512),
    )
    return {"channelId": channel_id}


def _channel_move(args: Args, context: ActionContext) -> Json:
    move: Json = {"id": args.channel(context), **args.given(position="position", parentId="parent_id")}
    if args.flag("clearParent"):
        move["parent_id"] = None
    _ask(context, "PATCH", f"{GUILD}/channels", guild_id=args.guild(context), json=[move])
    return {}


def _category_create(args: Args, context: ActionContext) -> Json:
    body = {"name": args.text("name", most=100), "type": 4, **args.given(position="position")}
    return {"category": _ask(context, "POST", f"{GUILD}/channels", guild_id=args.guild(context), json=body)}


def _category_edit(args: Args, context: ActionContext) -> Json:
    body = args.given(name="name", position="position")
    return {"category": _ask(context, "PATCH", CHANNEL, channel_id=args.id("categoryId"), json=body)}


def _emoji_list(args: Args, context: ActionContext) -> Json:
    found = _ask(context, "GET", f"{GUILD}/emojis", guild_id=args.guild(context))
    return {"emojis": found[: args.number("limit", least=1, most=100, default=100)]}


def _voice_status(args: Args, context: ActionContext) -> Json:
    try:
        state = _ask(
            context,
            "GET",
            f"{GUILD}/voice-states/{{user_id}}",
            guild_id=args.guild(context),
            user_id=args.user("userId", "user"),
        )
    except NotFound as error:
        if error.json_code != 10065:
            raise
        return {"voice": {"connected": False, "absent": True, "reason": "unknown_voice_state"}}
    return {"voice": state}


def _event_list(args: Args, context: ActionContext) -> Json:
    return {"events": _ask(context, "GET", f"{GUILD}/scheduled-events", guild_id=args.guild(context))}


def _event_create(args: Args, context: ActionContext) -> Json:
    word = args.text("eventType", required=False) or "voice"
    kind = EVENT_TYPES.get(word.lower())
    if kind is None:
        raise ActionError(f"eventType {word[:40]!r} is unknown; use one of {', '.join(EVENT_TYPES)}.")
    body: Json = {
        "name": args.text("eventName", "name", most=100),
        "scheduled_start_time": args.text("startTime"),
        "privacy_level": 2,
        "entity_type": kind,
        **args.given(desc="description", endTime="scheduled_end_time"),
    }
    if kind == EVENT_TYPES["external"]:
        body["entity_metadata"] = {"location": args.text("location", most=100)}
        body["scheduled_end_time"] = args.text("endTime")
    else:
        body["channel_id"] = args.channel(context, "channelId")
    made = _ask(context, "POST", f"{GUILD}/scheduled-events", guild_id=args.guild(context), json=body)
    return {"event": made}


def _thread_create(args: Args, context: ActionContext) -> Json:
    """A thread of a message, a free one, or a post in a forum (``spec/outbound.md`` 2.6, 2.7)."""
    channel_id, name = args.channel(context), args.text("threadName", "name", most=100)
    body: Json = {"name": name}
    minutes = args.number("autoArchiveMin", "autoArchiveDuration", least=1, most=10_080)
    if minutes is not None:
        if minutes not in ARCHIVE_MINUTES:
            raise ActionError(f"autoArchiveMin must be one of {', '.join(map(str, ARCHIVE_MINUTES))}.")
        body["auto_archive_duration"] = minutes
    message_id = args.raw("messageId")
    known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
    if known.get("type") in FORUMS:
        if message_id is not None:
            raise ActionError(
                "A forum has no messages to make a thread of.", fix="Leave messageId out: a post is made."
            )
        body["message"] = {"content": args.text("message", required=False) or name,
                           "allowed_mentions": {"parse": []}}  # fmt: skip
        if args.raw("appliedTags") is not None:
            body["applied_tags"] = args.ids("appliedTags")
        return {"thread": _ask(context, "POST", f"{CHANNEL}/threads", channel_id=channel_id, json=body)}
    if message_id is not None:
        path = f"{CHANNEL}/messages/{{message_id}}/threads"
        found = _ask(context, "POST", path, channel_id=channel_id, message_id=args.id("messageId"), json=body)
        return {"thread": found}
    body["type"] = args.number("type", least=10, most=12, default=11)
    return {"thread": _ask(context, "POST", f"{CHANNEL}/threads", channel_id=channel_id, json=body)}


def _thread_list(args: Args, context: ActionContext) -> Json:
    if not args.flag("includeArchived"):
        answer = _ask(context, "GET", f"{GUILD}/threads/active", guild_id=args.guild(context))
        threads = answer.get("threads", [])
        only = args.raw("channelId")
        if only is not None:
            threads = [one for one in threads if str(one.get("parent_id")) == args.channel(context)]
        return {"threads": threads, "complete": True, "hasMore": False, "returnedCount": len(threads),
                "source": "active"}  # fmt: skip
    query: Json = {"limit": args.number("limit", least=2, most=100, default=50)}
    if args.raw("before") is not None:
        query["before"] = args.text("before")
    path = f"{CHANNEL}/threads/archived/public"
    answer = _ask(context, "GET", path, channel_id=args.channel(context, "channelId"), query=query)
    threads, more = answer.get("threads", []), bool(answer.get("has_more"))
    made: Json = {"threads": threads, "complete": not more, "hasMore": more, "returnedCount": len(threads),
                  "source": "archived"}  # fmt: skip
    if more and threads:
        made["nextBefore"] = (threads[-1].get("thread_metadata") or {}).get("archive_timestamp")
    return made


def _timeout(args: Args, context: ActionContext) -> Json:
    until: str | None = args.text("until", required=False) or None
    minutes = args.number("durationMin", "durationMinutes", least=1, most=28 * 24 * 60)
    if minutes is not None:
        until = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).isoformat()
    member = _ask(
        context,
        "PATCH",
        f"{GUILD}/members/{{user_id}}",
        guild_id=args.guild(context),
        user_id=args.user("userId", "user"),
        json={"communication_disabled_until": until},
        reason=args.text("reason", required=False, most=512),
    )
    return {"member": member}


def _kick(args: Args, context: ActionContext) -> Json:
    path = f"{GUILD}/members/{{user_id}}"
    reason = args.text("reason", required=False, most=512)
    _ask(
        context,
        "DELETE",
        path,
        guild_id=args.guild(context),
        user_id=args.user("userId", "user"),
        reason=reason,
    )
    return {}


def _ban(args: Args, context: ActionContext) -> Json:
    days = args.number("deleteDays", "deleteMessageDays", least=0, most=7, default=0) or 0
    _ask(
        context,
        "PUT",
        f"{GUILD}/bans/{{user_id}}",
        guild_id=args.guild(context),
        user_id=args.user("userId", "user"),
        json={"delete_message_seconds": days * 86_400},
        reason=args.text("reason", required=False, most=512),
    )
    return {}


_CHANNELS, _ROLES = Permission.MANAGE_CHANNELS, Permission.MANAGE_ROLES

GUILD_ACTIONS = (
    Action("member-info", "memberInfo", "a member; userId", _member_info),
    Action("role-info", "roleInfo", "roles of the server", _role_info),
    Action("role-add", "roles", "give a role; userId, roleId", _role("PUT"), asks=_ROLES),
    Action("role-remove", "roles", "take a role; userId, roleId", _role("DELETE"), asks=_ROLES),
    Action("channel-info", "channelInfo", "a channel; target", _channel_info),
    Action("channel-list", "channelInfo", "channels of the server", _channel_list),
    Action("channel-create", "channels", "make a channel; name, type, parentId, topic", _channel_create,
           repeatable=False, asks=_CHANNELS),
    Action("channel-edit", "channels", "change a channel; channelId, name, topic, archived, …", _channel_edit,
           asks=_CHANNELS),
    Action("channel-delete", "channels", "delete a channel; channelId", _channel_delete, asks=_CHANNELS),
    Action("channel-move", "channels", "move a channel; channelId, parentId, position", _channel_move,
           asks=_CHANNELS),
    Action("category-create", "channels", "make a category; name", _category_create, repeatable=False,
           asks=_CHANNELS),
    Action("category-edit", "channels", "change a category; categoryId, name", _category_edit,
           asks=_CHANNELS),
    Action("category-delete", "channels", "delete a category; categoryId", _channel_delete, asks=_CHANNELS),
    Action("emoji-list", "reactions", "custom emoji of the server", _emoji_list),
    Action("voice-status", "voiceStatus", "whether a member is in a voice channel; userId", _voice_status),
    Action("event-list", "events", "scheduled events", _event_list),
    Action("event-create", "events", "make an event; eventName, startTime, eventType voice|stage|external, …",
           _event_create, repeatable=False, asks=Permission.MANAGE_EVENTS),
    Action("thread-create", "threads", "make a thread or forum post; threadName, messageId, message",
           _thread_create, repeatable=False),
    Action("thread-list", "threads", "threads; channelId, includeArchived", _thread_list),
    Action("timeout", "moderation", "time a member out; userId, durationMin or until, reason", _timeout,
           asks=Permission.MODERATE_MEMBERS),
    Action("kick", "moderation", "kick a member; userId, reason", _kick, asks=Permission.KICK_MEMBERS),
    Action("ban", "moderation", "ban a member; userId, deleteDays, reason", _ban,
           asks=Permission.BAN_MEMBERS),
)  # fmt: skip
