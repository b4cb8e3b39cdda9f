"""Guilds, channels, threads, members and roles: what a bot reads, and the thin part of what it changes."""

from __future__ import annotations

from shoal.simulator.errors import ApiError, forbidden, unknown
from shoal.simulator.model import Channel, Guild, Json, Member, Role
from shoal.simulator.permissions import (
    CREATE_PRIVATE_THREADS,
    CREATE_PUBLIC_THREADS,
    MANAGE_CHANNELS,
    MANAGE_ROLES,
    MANAGE_THREADS,
    MODERATE_MEMBERS,
    SEND,
    VIEW,
    can_see,
    compute,
)
from shoal.simulator.rest.messages import check_sizes, require
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.channels import CHANNEL, MEMBER, NEW_CHANNEL, OVERWRITE, ROLE, THREAD
from shoal.simulator.wire.forms import validate
from shoal.simulator.wire.messages import check_message, has_substance
from shoal.simulator.world import iso

__all__ = ["apply_channel", "guild_of", "need_in_guild"]


def guild_of(call: Call) -> Guild:
    """The guild of the path, if the bot is in it."""
    guild = call.core.world.guild(call.params["guild_id"])
    if call.me not in guild.members:
        raise forbidden(50001)
    return guild


def need_in_guild(call: Call, guild: Guild, bit: int) -> None:
    """A permission of the whole guild: worked out in a place without overwrites."""
    bare = Channel("0", 0, guild_id=guild.id)
    if call.core.settings.permissions and not compute(call.core.world, bare, call.me) & bit:
        raise forbidden()


# -- guilds, members, roles ----------------------------------------------------------------------


@route("GET", "/guilds/{guild_id}")
def guild(call: Call) -> Answer:
    """A guild."""
    found = guild_of(call)
    payload = call.core.payloads.guild(found)
    if call.arg("with_counts") in ("true", "True", "1"):
        payload |= {"approximate_member_count": len(found.members), "approximate_presence_count": 1}
    return Answer(200, payload)


@route("GET", "/guilds/{guild_id}/channels")
def channels(call: Call) -> Answer:
    """Channels without threads; hidden ones are listed too, as with Discord."""
    found = call.core.world.channels_of(guild_of(call).id)
    return Answer(200, [call.core.payloads.channel(channel, call.me) for channel in found])


@route("POST", "/guilds/{guild_id}/channels")
def create_channel(call: Call) -> Answer:
    """Make a channel."""
    found = guild_of(call)
    need_in_guild(call, found, MANAGE_CHANNELS)
    body = validate(NEW_CHANNEL, call.fields())
    channel = Channel(call.core.world.new_id(), int(body.get("type") or 0), guild_id=found.id)
    channel.position = len(call.core.world.channels_of(found.id))
    apply_channel(channel, body)
    call.core.world.add_channel(channel)
    call.core.events.channel("CHANNEL_CREATE", channel)
    return Answer(201, call.core.payloads.channel(channel, call.me))


@route("GET", "/guilds/{guild_id}/members/{user_id}")
def member(call: Call) -> Answer:
    """A member."""
    found = call.core.world.member(guild_of(call).id, call.params["user_id"])
    return Answer(200, call.core.payloads.member(found))


@route("GET", "/guilds/{guild_id}/members")
def members(call: Call) -> Answer:
    """Members by id; needs the members intent to be allowed."""
    found = guild_of(call)
    if call.bot is not None and call.bot.disallowed_intents & 1 << 1:
        raise forbidden(50001)
    after, limit = int(call.arg("after") or 0), call.number("limit", 1, 1, 1000)
    listed = sorted(
        (m for m in found.members.values() if int(m.user_id) > after), key=lambda m: int(m.user_id)
    )
    return Answer(200, [call.core.payloads.member(entry) for entry in listed[:limit]])


@route("GET", "/guilds/{guild_id}/members/search")
def search_members(call: Call) -> Answer:
    """Members whose name or nick starts with ``query``."""
    found = guild_of(call)
    prefix = (call.arg("query") or "").lower()
    users = call.core.world.users
    hits = [
        m
        for m in found.members.values()
        if users[m.user_id].username.lower().startswith(prefix) or (m.nick or "").lower().startswith(prefix)
    ]
    return Answer(
        200, [call.core.payloads.member(entry) for entry in hits[: call.number("limit", 1, 1, 1000)]]
    )


@route("PATCH", "/guilds/{guild_id}/members/{user_id}")
def edit_member(call: Call) -> Answer:
    """Change a member: nick, roles, timeout."""
    found = guild_of(call)
    target: Member = call.core.world.member(
        found.id, call.me if call.params["user_id"] == "@me" else call.params["user_id"]
    )
    body = validate(MEMBER, call.fields())
    if "communication_disabled_until" in body:
        need_in_guild(call, found, MODERATE_MEMBERS)
        if target.user_id == found.owner_id:
            raise forbidden()
        target.communication_disabled_until = body["communication_disabled_until"]
    if body.get("roles") is not None:
        need_in_guild(call, found, MANAGE_ROLES)
        if any(role_id not in found.roles for role_id in body["roles"]):
            raise unknown("role")
        target.roles = list(body["roles"])
    if "nick" in body:
        target.nick = body["nick"] or None
    call.core.events.member("GUILD_MEMBER_UPDATE", found, target)
    return Answer(200, call.core.payloads.member(target))


@route("PUT", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
def give_role(call: Call) -> Answer:
    """Give a role."""
    return _change_role(call, give=True)


@route("DELETE", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
def take_role(call: Call) -> Answer:
    """Take a role away."""
    return _change_role(call, give=False)


def _change_role(call: Call, *, give: bool) -> Answer:
    found = guild_of(call)
    need_in_guild(call, found, MANAGE_ROLES)
    target = call.core.world.member(found.id, call.params["user_id"])
    role_id = call.params["role_id"]
    if role_id not in found.roles:
        raise unknown("role")
    if give and role_id not in target.roles:
        target.roles.append(role_id)
    elif not give and role_id in target.roles:
        target.roles.remove(role_id)
    call.core.events.member("GUILD_MEMBER_UPDATE", found, target)
    return Answer(204)


@route("GET", "/guilds/{guild_id}/roles")
def roles(call: Call) -> Answer:
    """Roles."""
    return Answer(200, [call.core.payloads.role(role) for role in guild_of(call).roles.values()])


@route("POST", "/guilds/{guild_id}/roles")
def create_role(call: Call) -> Answer:
    """Make a role."""
    found = guild_of(call)
    need_in_guild(call, found, MANAGE_ROLES)
    body = validate(ROLE, call.fields())
    role = Role(
        call.core.world.new_id(),
        found.id,
        str(body.get("name") or "new role"),
        int(body.get("permissions") or found.roles[found.id].permissions),
        len(found.roles),
        color=int(body.get("color") or 0),
        mentionable=bool(body.get("mentionable")),
    )
    found.roles[role.id] = role
    call.core.events.role("GUILD_ROLE_CREATE", found, role)
    return Answer(200, call.core.payloads.role(role))


CHANGEABLE = (
    "name",
    "topic",
    "position",
    "nsfw",
    "rate_limit_per_user",
    "parent_id",
    "available_tags",
    "flags",
    "archived",
    "locked",
    "invitable",
    "auto_archive_duration",
    "applied_tags",
)


# -- channels ------------------------------------------------------------------------------------


def apply_channel(channel: Channel, body: Json) -> None:
    """Put the given fields of a checked body into a channel or thread."""
    for key in CHANGEABLE:
        if key in body and (body[key] is not None or key in ("topic", "parent_id")):
            setattr(channel, key, body[key])
    if body.get("permission_overwrites") is not None:
        channel.overwrites = [
            {"id": str(o["id"]), "type": int(o.get("type") or 0), "allow": str(o.get("allow") or "0"),
             "deny": str(o.get("deny") or "0")}
            for o in body["permission_overwrites"]
        ]  # fmt: skip


@route("GET", "/channels/{channel_id}")
def read_channel(call: Call) -> Answer:
    """A channel, DM or thread."""
    channel = call.channel()
    require(call, channel, VIEW)
    return Answer(200, call.core.payloads.channel(channel, call.me))


@route("PATCH", "/channels/{channel_id}")
def edit_channel(call: Call) -> Answer:
    """Change a channel or thread."""
    channel = call.channel()
    body = validate(CHANNEL, call.fields())
    if channel.is_thread:
        if channel.owner_id != call.me or "locked" in body:
            require(call, channel, MANAGE_THREADS)
        if channel.archived and body.get("archived") is not False:
            raise ApiError(400, 50083, "Thread is archived")
        if "archived" in body and body["archived"] != channel.archived:
            channel.archive_timestamp = iso()
    else:
        require(call, channel, MANAGE_CHANNELS)
    apply_channel(channel, body)
    if channel.is_thread:
        call.core.events.thread("THREAD_UPDATE", channel)
    else:
        call.core.events.channel("CHANNEL_UPDATE", channel)
    return Answer(200, call.core.payloads.channel(channel, call.me))


@route("DELETE", "/channels/{channel_id}")
def delete_channel(call: Call) -> Answer:
    """Delete a channel or thread."""
    channel = call.channel()
    if channel.guild_id is None:
        return Answer(200, call.core.payloads.channel(channel, call.me))
    require(call, channel, MANAGE_THREADS if channel.is_thread else MANAGE_CHANNELS)
    payload = call.core.payloads.channel(channel, call.me)
    call.core.actions.delete_channel(channel)
    return Answer(200, payload)


@route("PUT", "/channels/{channel_id}/permissions/{overwrite_id}")
def set_overwrite(call: Call) -> Answer:
    """Set one overwrite."""
    channel = call.channel()
    require(call, channel, MANAGE_ROLES)
    body = validate(OVERWRITE, call.fields())
    others = [o for o in channel.overwrites if o["id"] != call.params["overwrite_id"]]
    apply_channel(channel, {"permission_overwrites": [*others, {**body, "id": call.params["overwrite_id"]}]})
    call.core.events.channel("CHANNEL_UPDATE", channel)
    return Answer(204)


@route("DELETE", "/channels/{channel_id}/permissions/{overwrite_id}")
def remove_overwrite(call: Call) -> Answer:
    """Take one overwrite away."""
    channel, wanted = call.channel(), call.params["overwrite_id"]
    require(call, channel, MANAGE_ROLES)
    if all(one["id"] != wanted for one in channel.overwrites):
        raise unknown("overwrite")
    channel.overwrites = [one for one in channel.overwrites if one["id"] != wanted]
    call.core.events.channel("CHANNEL_UPDATE", channel)
    return Answer(204)


# -- threads -------------------------------------------------------------------------------------


@route("POST", "/channels/{channel_id}/messages/{message_id}/threads")
def thread_of_message(call: Call) -> Answer:
    """A thread on a message; its id is the message's."""
    channel = call.channel()
    require(call, channel, CREATE_PUBLIC_THREADS)
    if channel.type not in (0, 5):
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    message = call.core.world.message(channel.id, call.params["message_id"])
    if message.id in call.core.world.channels:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    body = validate(THREAD, call.fields())
    body.pop("type", None)
    thread = call.core.actions.start_thread(channel, call.me, body, message=message)
    return Answer(201, call.core.payloads.thread(thread, call.me))


@route("POST", "/channels/{channel_id}/threads")
def create_thread(call: Call) -> Answer:
    """A thread without a message (private unless told otherwise), or a forum post."""
    channel = call.channel()
    body = validate(THREAD, call.fields())
    if not channel.is_forum:
        private = int(body.get("type") or 12) == 12
        require(call, channel, CREATE_PRIVATE_THREADS if private else CREATE_PUBLIC_THREADS)
        thread = call.core.actions.start_thread(channel, call.me, body)
        return Answer(201, call.core.payloads.thread(thread, call.me))
    require(call, channel, SEND)
    if channel.flags & 1 << 4 and not body.get("applied_tags"):
        raise ApiError(400, 40067, "A tag is required to create a forum post in this channel")
    names = [name for name, _, _ in call.files]
    first = check_message(body.get("message") or {}, "create", files=names)
    has_substance(first, len(call.files))
    check_sizes(call)
    thread = call.core.actions.start_thread(channel, call.me, body)
    message = call.core.actions.create(thread, call.me, first, files=call.files, message_id=thread.id)
    payload = call.core.payloads.thread(thread, call.me)
    return Answer(201, {**payload, "message": call.core.payloads.message(message, call.me)})


@route("GET", "/guilds/{guild_id}/threads/active")
def active_threads(call: Call) -> Answer:
    """All active threads the bot can see."""
    world, found = call.core.world, guild_of(call)
    seen = [
        t for t in world.channels_of(found.id, threads=True) if not t.archived and can_see(world, t, call.me)
    ]
    mine = [call.core.payloads.thread_member(t, call.me) for t in seen if call.me in t.members]
    return Answer(
        200, {"threads": [call.core.payloads.thread(t) for t in seen], "members": mine, "has_more": False}
    )


@route("PUT", "/channels/{channel_id}/thread-members/@me")
def join_thread(call: Call) -> Answer:
    """Join a thread."""
    thread = _open_thread(call)
    call.core.actions.join(thread, call.me)
    return Answer(204)


@route("DELETE", "/channels/{channel_id}/thread-members/@me")
def leave_thread(call: Call) -> Answer:
    """Leave a thread."""
    call.core.actions.leave(_open_thread(call), call.me)
    return Answer(204)


@route("PUT", "/channels/{channel_id}/thread-members/{user_id}")
def add_to_thread(call: Call) -> Answer:
    """Add a user to a thread."""
    call.core.actions.join(_open_thread(call), call.core.world.user(call.params["user_id"]).id)
    return Answer(204)


def _open_thread(call: Call) -> Channel:
    thread = call.channel()
    require(call, thread, VIEW)
    if not thread.is_thread:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    if thread.archived:
        raise ApiError(400, 50083, "Thread is archived")
    return thread
