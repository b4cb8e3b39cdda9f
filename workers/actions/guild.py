"""Servers: members, roles, what there is in voice; time-outs, kicks and bans (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from shoal.discord.errors import NotFound
from shoal.discord.permissions import Permission
from shoal.discord.routes import Route
from workers.actions.base import Action, ActionContext, Args, Json, ask, reason_of

__all__ = ["GUILD_ACTIONS"]

GUILD = "/guilds/{guild_id}"
MEMBER = "/guilds/{guild_id}/members/{user_id}"
MOST_MINUTES = 28 * 24 * 60
"""Discord's longest time-out: four weeks."""


def _member_info(args: Args, context: ActionContext) -> Json:
    """A member, and what he shows if the gateway is told of presences."""
    guild_id, user_id = args.guild(context), args.user("userId", "user")
    found: Json = {"member": context.rest.get_guild_member(guild_id, user_id)}
    return found | (context.facts.presence(context.account, guild_id, user_id) or {})


def _role_info(args: Args, context: ActionContext) -> Json:
    return {"roles": ask(context, Route("GET", f"{GUILD}/roles", guild_id=args.guild(context)))}


def _role(method: str) -> Any:
    def change(args: Args, context: ActionContext) -> Json:
        path = f"{MEMBER}/roles/{{role_id}}"
        route = Route(method, path, **_of_member(args, context), role_id=args.id("roleId"))
        ask(context, route, reason=reason_of(args))
        return {}

    return change


def _of_member(args: Args, context: ActionContext) -> dict[str, str]:
    return {"guild_id": args.guild(context), "user_id": args.user("userId", "user")}


def _voice_status(args: Args, context: ActionContext) -> Json:
    path = f"{GUILD}/voice-states/{{user_id}}"
    try:
        state = ask(context, Route("GET", path, **_of_member(args, context)))
    except NotFound as error:
        if error.json_code != 10065:
            raise
        return {"voice": {"connected": False, "absent": True, "reason": "unknown_voice_state"}}
    return {"voice": state}


def _timeout(args: Args, context: ActionContext) -> Json:
    """Without an end it is lifted."""
    until: str | None = None
    minutes = args.number("durationMin", "durationMinutes", least=1, most=MOST_MINUTES)
    if minutes is not None:
        until = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).isoformat()
    elif args.raw("until") is not None:
        until = args.moment("until").isoformat()
    body = {"communication_disabled_until": until}
    route = Route("PATCH", MEMBER, **_of_member(args, context))
    return {"member": ask(context, route, json=body, reason=reason_of(args))}


def _kick(args: Args, context: ActionContext) -> Json:
    ask(context, Route("DELETE", MEMBER, **_of_member(args, context)), reason=reason_of(args))
    return {}


def _ban(args: Args, context: ActionContext) -> Json:
    days = args.number("deleteDays", "deleteMessageDays", least=0, most=7, default=0) or 0
    body = {"delete_message_seconds": days * 86_400}
    path = f"{GUILD}/bans/{{user_id}}"
    ask(context, Route("PUT", path, **_of_member(args, context)), json=body, reason=reason_of(args))
    return {}


_ROLES = Permission.MANAGE_ROLES

GUILD_ACTIONS = (
    Action("member-info", "memberInfo", "a member; userId", _member_info),
    Action("role-info", "roleInfo", "roles of the server", _role_info),
    Action("role-add", "roles", "give a role; userId, roleId", _role("PUT"), asks=_ROLES),
    Action("role-remove", "roles", "take a role; userId, roleId", _role("DELETE"), asks=_ROLES),
    Action("voice-status", "voiceStatus", "whether a member is in a voice channel; userId", _voice_status),
    Action("timeout", "moderation", "time a member out; userId, durationMin or until, reason", _timeout,
           asks=Permission.MODERATE_MEMBERS),
    Action("kick", "moderation", "kick a member; userId, reason", _kick, asks=Permission.KICK_MEMBERS),
    Action("ban", "moderation", "ban a member; userId, deleteDays, reason", _ban,
           asks=Permission.BAN_MEMBERS),
)  # fmt: skip
