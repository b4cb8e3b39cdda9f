"""Channels and categories: looked at, made, changed, deleted; their overwrites (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

from typing import Any

from shoal.discord.permissions import Permission
from shoal.discord.routes import Route
from shoal.discord.wire import ChannelType, is_thread
from workers.actions.base import (
    PLACES,
    Action,
    ActionContext,
    ActionError,
    Args,
    ArgumentError,
    Json,
    ask,
    reason_of,
)
from workers.actions.making import first_made, make
from workers.actions.reach import REFUSED, may_know

__all__ = ["CHANNEL_ACTIONS"]

GUILD = "/guilds/{guild_id}"
CHANNEL = "/channels/{channel_id}"
OVERWRITE = "/channels/{channel_id}/permissions/{overwrite_id}"
MOST_TOPIC = 4_096
"""Of a forum; elsewhere Discord takes 1024 and says so."""
MOST_SLOWMODE_S = 21_600
EDITABLE = (
    "name", "topic", "position", "parentId", "clearParent", "nsfw", "rateLimitPerUser", "archived", "locked",
    "autoArchiveDuration", "availableTags",
)  # fmt: skip
_OVERWRITE_KINDS = {"role": 0, "member": 1}


def _info(args: Args, context: ActionContext) -> Json:
    channel = context.rest.get_channel(args.channel(context))
    if not may_know(channel, context):
        raise ActionError(REFUSED)
    return {"channel": channel}


def _list(args: Args, context: ActionContext) -> Json:
    """The channels of a server; of those a person may not read he is not told."""
    channels = context.rest.get_guild_channels(args.guild(context))
    known = [one for one in channels if may_know(one, context)]
    above = {str(one.get("parent_id")) for one in known}
    return {"channels": [one for one in channels if one in known or str(one["id"]) in above]}


def _fields(args: Args) -> Json:
    """The body of a change, of what is given."""
    body: Json = {}
    if args.raw("name") is not None:
        body["name"] = args.text("name", most=100)
    if args.has("topic"):  # an empty one takes it away
        body["topic"] = args.text("topic", required=False, most=MOST_TOPIC)
    numbers = (("position", "position", 10_000), ("rateLimitPerUser", "rate_limit_per_user", MOST_SLOWMODE_S))
    for name, wire, most in numbers:
        if args.raw(name) is not None:
            body[wire] = args.number(name, least=0, most=most)
    for name in ("nsfw", "archived", "locked"):
        if args.raw(name) is not None:
            body[name] = args.flag(name)
    if args.raw("availableTags") is not None:
        body["available_tags"] = args.objects("availableTags", most=20)
    minutes = args.archive_minutes()
    if minutes is not None:
        body["auto_archive_duration"] = minutes
    return body | _parent(args)


def _parent(args: Args) -> Json:
    if args.flag("clearParent"):
        return {"parent_id": None}
    return {"parent_id": args.id("parentId")} if args.raw("parentId") is not None else {}


def _make(args: Args, context: ActionContext, body: Json) -> Json:
    guild_id = args.guild(context)
    wanted = {"name": body["name"], "type": body["type"]}
    if body.get("parent_id"):
        wanted["parent_id"] = body["parent_id"]

    def find(since: int) -> Json | None:
        return first_made(context.rest.get_guild_channels(guild_id), since, **wanted)

    return make(context, find, lambda: _posted(context, guild_id, body))


def _posted(context: ActionContext, guild_id: str, body: Json) -> Json:
    made: Json = ask(context, Route("POST", f"{GUILD}/channels", guild_id=guild_id), json=body)
    return made


def _create(args: Args, context: ActionContext) -> Json:
    kind = args.number("type", least=0, most=16, default=int(ChannelType.GUILD_TEXT))
    body = {**_fields(args), "name": args.text("name", most=100), "type": kind}
    return {"channel": _make(args, context, body)}


def _edit(args: Args, context: ActionContext) -> Json:
    body = _fields(args)
    if not body:
        raise ArgumentError(f"There is nothing to change; name at least one of: {', '.join(EDITABLE)}.")
    path, channel_id = CHANNEL, args.channel(context)
    return {
        "channel": ask(
            context, Route("PATCH", path, channel_id=channel_id), json=body, reason=reason_of(args)
        )
    }


def _delete(args: Args, context: ActionContext) -> Json:
    if args.raw(*PLACES) is None:
        raise ArgumentError("channelId is missing.", fix="Name the channel to delete.")
    channel_id = args.channel(context)
    ask(context, Route("DELETE", CHANNEL, channel_id=channel_id), reason=reason_of(args))
    return {"channelId": channel_id}


def _move(args: Args, context: ActionContext) -> Json:
    move: Json = {"id": args.channel(context), **_parent(args)}
    if args.raw("position") is not None:
        move["position"] = args.number("position", least=0, most=10_000)
    if len(move) == 1:
        raise ArgumentError("There is nowhere to move it; name parentId, clearParent or position.")
    ask(context, Route("PATCH", f"{GUILD}/channels", guild_id=args.guild(context)), json=[move])
    return {}


def _category_create(args: Args, context: ActionContext) -> Json:
    body = {**_fields(args), "name": args.text("name", most=100), "type": int(ChannelType.GUILD_CATEGORY)}
    return {"category": _make(args, context, body)}


def _category_edit(args: Args, context: ActionContext) -> Json:
    _check_category(args, context)
    return {"category": _edit(args, context)["channel"]}


def _category_delete(args: Args, context: ActionContext) -> Json:
    _check_category(args, context)
    return _delete(args, context)


def _check_category(args: Args, context: ActionContext) -> None:
    """Refuse what is no category."""
    if args.raw(*PLACES) is None:
        raise ArgumentError("categoryId is missing.", fix="Name the category.")
    category_id = args.channel(context)
    if context.rest.get_channel(category_id).get("type") != ChannelType.GUILD_CATEGORY:
        raise ArgumentError(f"{category_id} is no category.", fix="Use channel-edit or channel-delete.")


def _permission_set(args: Args, context: ActionContext) -> Json:
    """One overwrite of a channel; nobody hands on what he does not have himself."""
    word = args.text("targetType", required=False) or "role"
    if word not in _OVERWRITE_KINDS:
        raise ArgumentError(f"targetType {word[:40]!r} is unknown; use role or member.")
    allow, deny = args.bits("allow"), args.bits("deny")
    if allow & deny:
        raise ArgumentError("A permission cannot be allowed and denied at once.")
    ids = _overwrite(args, context)
    old_allow, old_deny = _held(ids, args, context)  # it is replaced, and what it denied is handed back
    changed = (old_allow ^ allow) | (old_deny ^ deny)
    context.demand(Permission.MANAGE_CHANNELS | allow | deny | changed)
    body = {"type": _OVERWRITE_KINDS[word], "allow": int(allow), "deny": int(deny)}
    ask(context, Route("PUT", OVERWRITE, **ids), json=body, reason=reason_of(args))
    return {}


def _permission_remove(args: Args, context: ActionContext) -> Json:
    """Takes an overwrite away, and with it what it denied: that has to be the person's own to give."""
    ids = _overwrite(args, context)
    allow, deny = _held(ids, args, context)
    context.demand(Permission.MANAGE_CHANNELS | allow | deny)
    ask(context, Route("DELETE", OVERWRITE, **ids), reason=reason_of(args))
    return {}


def _held(ids: dict[str, str], args: Args, context: ActionContext) -> tuple[Permission, Permission]:
    """What the overwrite allows and denies now; nothing for an operator, whom nobody asks.

    Raises:
        ActionError: a member's was called a role's: whether he stands below would not be looked at.
    """
    if context.sender_id is None:
        return Permission(0), Permission(0)
    overwrites = context.rest.get_channel(ids["channel_id"]).get("permission_overwrites") or ()
    for one in overwrites:
        if str(one.get("id")) != ids["overwrite_id"]:
            continue
        if int(one.get("type") or 0) == _OVERWRITE_KINDS["member"] and args.raw("targetType") != "member":
            raise ArgumentError("That is the overwrite of a member.", fix="Set targetType to member.")
        return Args(one).bits("allow"), Args(one).bits("deny")
    return Permission(0), Permission(0)


def _overwrite(args: Args, context: ActionContext) -> dict[str, str]:
    return {"channel_id": args.channel(context), "overwrite_id": args.id("targetId")}


def _for_change(args: Args, context: ActionContext) -> Permission:
    """Threads are managed by others than channels are; who opened one may do a little there (7.5)."""
    if not _is_thread(args, context):
        return Permission.MANAGE_CHANNELS
    channel = context.rest.get_channel(args.channel(context))
    wanted = {name for name in EDITABLE if args.has(name)}
    locked = (channel.get("thread_metadata") or {}).get("locked") is True
    own = str(channel.get("owner_id")) == context.sender_id and not context.others
    small = {"archived"} if args.raw("archived") is not None and not args.flag("archived") else set[str]()
    if own:
        small = {"name", "archived", "autoArchiveDuration"}
    if wanted and wanted <= small and not locked:
        return Permission.SEND_MESSAGES_IN_THREADS
    return Permission.MANAGE_THREADS


def _for_deleting(args: Args, context: ActionContext) -> Permission:
    if args.raw(*PLACES) is None:
        return Permission.MANAGE_CHANNELS
    return Permission.MANAGE_THREADS if _is_thread(args, context) else Permission.MANAGE_CHANNELS


def _is_thread(args: Args, context: ActionContext) -> bool:
    channel_id = args.channel(context)
    known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
    return is_thread(int(known.get("type") or 0))


def _changing(name: str, help_: str, run: Any, **more: Any) -> Action:
    return Action(name, "channels", help_, run, asks=Permission.MANAGE_CHANNELS, **more)


CHANNEL_ACTIONS = (
    Action("channel-info", "channelInfo", "a channel; target", _info),
    Action("channel-list", "channelInfo", "channels of the server", _list),
    _changing("channel-create", "make a channel; name, type (number), parentId, topic, position, nsfw",
              _create),
    _changing("channel-edit", "change a channel or thread; channelId, name, topic, position, parentId or "
              "clearParent, nsfw, rateLimitPerUser, archived, locked, autoArchiveDuration, availableTags",
              _edit, asks_here=_for_change),
    _changing("channel-delete", "delete a channel; channelId", _delete, asks_here=_for_deleting),
    _changing("channel-move", "move a channel; channelId, parentId or clearParent, position", _move),
    _changing("category-create", "make a category; name, position", _category_create),
    _changing("category-edit", "change a category; categoryId, name, position", _category_edit),
    _changing("category-delete", "delete a category; categoryId", _category_delete),
    Action("channel-permission-set", "channels", "allow or deny something in a channel; channelId, targetId, "
           "targetType role|member, allow, deny (bits or names)", _permission_set,
           asks=Permission.MANAGE_ROLES),
    Action("channel-permission-remove", "channels", "take an overwrite away; channelId, targetId",
           _permission_remove, asks=Permission.MANAGE_ROLES),
)  # fmt: skip
