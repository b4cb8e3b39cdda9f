"""The own account, other users, applications, the gateway's address."""

from __future__ import annotations

from shoal.simulator.errors import ApiError, unknown
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.forms import Field, obj, snowflake, text, validate

__all__: list[str] = []

_ME = obj(
    {
        "username": Field(text(2, 32)),
        "avatar": Field(text(), nullable=True),
        "banner": Field(text(), nullable=True),
    }
)
_DM = obj({"recipient_id": Field(snowflake, required=True)})


@route("GET", "/gateway", auth=False)
def gateway(call: Call) -> Answer:
    """The websocket address."""
    return Answer(200, {"url": call.core.gateway_url})


@route("GET", "/gateway/bot")
def gateway_bot(call: Call) -> Answer:
    """The websocket address with the shards and the IDENTIFYs left."""
    settings = call.core.settings
    used = call.bot.identifies if call.bot is not None else 0
    return Answer(
        200,
        {
            "url": call.core.gateway_url,
            "shards": settings.shards,
            "session_start_limit": {
                "total": settings.session_total,
                "remaining": max(0, settings.session_total - used),
                "reset_after": 14_400_000,
                "max_concurrency": settings.max_concurrency,
            },
        },
    )


@route("GET", "/users/@me")
def me(call: Call) -> Answer:
    """The own account."""
    return Answer(200, call.core.payloads.me(call.core.world.user(call.me)))


@route("PATCH", "/users/@me")
def edit_me(call: Call) -> Answer:
    """Change the own name."""
    body = validate(_ME, call.fields())
    user = call.core.world.user(call.me)
    user.username = body.get("username", user.username)
    return Answer(200, call.core.payloads.me(user))


@route("GET", "/users/{user_id}")
def user(call: Call) -> Answer:
    """Any user."""
    return Answer(200, call.core.payloads.user(call.core.world.user(call.params["user_id"])))


@route("GET", "/users/@me/guilds")
def my_guilds(call: Call) -> Answer:
    """Guilds the bot is in."""
    found = [g for g in call.core.world.guilds.values() if call.me in g.members]
    return Answer(
        200,
        [
            {
                "id": guild.id,
                "name": guild.name,
                "icon": None,
                "banner": None,
                "owner": guild.owner_id == call.me,
                "permissions": str(guild.roles[guild.id].permissions),
                "features": [],
            }
            for guild in sorted(found, key=lambda g: int(g.id))[: call.number("limit", 200, 1, 200)]
        ],
    )


@route("DELETE", "/users/@me/guilds/{guild_id}")
def leave_guild(call: Call) -> Answer:
    """Leave a guild."""
    guild = call.core.world.guild(call.params["guild_id"])
    member = call.core.world.member(guild.id, call.me)
    call.core.events.guild_gone(guild, call.me, unavailable=False)
    del guild.members[member.user_id]
    return Answer(204)


@route("POST", "/users/@me/channels")
def open_dm(call: Call) -> Answer:
    """The DM channel with a user; no common guild is 50278."""
    body = validate(_DM, call.fields())
    world = call.core.world
    if body["recipient_id"] not in world.users or body["recipient_id"] == call.me:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    user_id = body["recipient_id"]
    if not any({call.me, user_id} <= set(guild.members) for guild in world.guilds.values()):
        raise ApiError(403, 50278, "Cannot send messages to this user due to having no mutual guilds")
    return Answer(200, call.core.payloads.channel(world.dm_of(user_id, call.me), call.me))


@route("GET", "/applications/@me")
def application(call: Call) -> Answer:
    """The own application."""
    if call.bot is None:
        raise unknown("application")
    return Answer(200, call.core.payloads.application(call.bot))


@route("PATCH", "/applications/@me")
def edit_application(call: Call) -> Answer:
    """Accepted and ignored, except that the body must be an object."""
    validate(obj({}), call.body)
    return application(call)


@route("GET", "/oauth2/applications/@me")
def oauth_application(call: Call) -> Answer:
    """The own application, as older libraries ask for it."""
    return application(call)
