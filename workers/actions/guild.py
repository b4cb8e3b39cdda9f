"""Servers: members, roles, channels, events, emoji (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from shoal.discord.errors import NotFound
from shoal.discord.permissions import Permission
from workers.actions.base import PLACES, Action, ActionContext, ActionError, Args, Json, ask

__all__ = ["GUILD_ACTIONS"]

GUILD = "/guilds/{guild_id}"
CHANNEL = "/channels/{channel_id}"
EVENT_TYPES = {"stage": 1, "voice": 2, "external": 3}


def _member_info(args: Args, context: ActionContext) -> Json:
    return {"member": context.rest.get_guild_member(args.guild(context), args.user("userId", "user"))}


def _role_info(args: Args, context: ActionContext) -> Json:
    return {"roles": ask(context, "GET", f"{GUILD}/roles", guild_id=args.guild(context))}


def _role(method: str) -> Any:
    def change(args: Args, context: ActionContext) -> Json:
        ask(
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
    return {"channel": ask(context, "POST", f"{GUILD}/channels", guild_id=args.guild(context), json=body)}


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
    return {"channel": ask(context, "PATCH", CHANNEL, channel_id=args.channel(context), json=body)}


def _channel_delete(args: Args, context: ActionContext) -> Json:
    if args.raw(*PLACES) is None:
        raise ActionError("channelId is missing.", fix="Name the channel to delete.")
    channel_id = args.channel(context, *PLACES)
    ask(
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
    ask(context, "PATCH", f"{GUILD}/channels", guild_id=args.guild(context), json=[move])
    return {}


def _category_create(args: Args, context: ActionContext) -> Json:
    body = {"name": args.text("name", most=100), "type": 4, **args.given(position="position")}
    return {"category": ask(context, "POST", f"{GUILD}/channels", guild_id=args.guild(context), json=body)}


def _category_edit(args: Args, context: ActionContext) -> Json:
    body = args.given(name="name", position="position")
    return {"category": ask(context, "PATCH", CHANNEL, channel_id=args.channel(context, *PLACES), json=body)}


def _emoji_list(args: Args, context: ActionContext) -> Json:
    found = ask(context, "GET", f"{GUILD}/emojis", guild_id=args.guild(context))
    return {"emojis": found[: args.number("limit", least=1, most=100, default=100)]}


def _voice_status(args: Args, context: ActionContext) -> Json:
    try:
        state = ask(
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
    return {"events": ask(context, "GET", f"{GUILD}/scheduled-events", guild_id=args.guild(context))}


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
    made = ask(context, "POST", f"{GUILD}/scheduled-events", guild_id=args.guild(context), json=body)
    return {"event": made}


def _timeout(args: Args, context: ActionContext) -> Json:
    until: str | None = args.text("until", required=False) or None
    minutes = args.number("durationMin", "durationMinutes", least=1, most=28 * 24 * 60)
    if minutes is not None:
        until = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).isoformat()
    member = ask(
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
    ask(
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
    ask(
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
    Action("timeout", "moderation", "time a member out; userId, durationMin or until, reason", _timeout,
           asks=Permission.MODERATE_MEMBERS),
    Action("kick", "moderation", "kick a member; userId, reason", _kick, asks=Permission.KICK_MEMBERS),
    Action("ban", "moderation", "ban a member; userId, deleteDays, reason", _ban,
           asks=Permission.BAN_MEMBERS),
)  # fmt: skip
