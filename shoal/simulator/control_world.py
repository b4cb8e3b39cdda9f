"""Control calls that make and change the world: users, bots, guilds, channels, roles, members, DMs."""

from __future__ import annotations

from shoal.simulator.control_api import Ask, on
from shoal.simulator.model import Channel, Guild, Json, Role
from shoal.simulator.rest.guilds import apply_channel
from shoal.simulator.rest.webhooks import add_webhook

__all__: list[str] = []


@on("POST", "users")
def _add_user(ask: Ask) -> Json:
    world = ask.core.world
    user = world.add_user(ask.body["username"], global_name=ask.body.get("global_name"))
    for word in ask.body.get("guilds") or ():
        _join(ask, world.find_guild(word), user.id)
    return {"id": user.id, "username": user.username}


@on("POST", "bots")
def _add_bot(ask: Ask) -> Json:
    world = ask.core.world
    application = world.add_bot(
        ask.body["username"], disallowed_intents=int(ask.body.get("disallowed_intents") or 0)
    )
    for word in ask.body.get("guilds") or ():
        _join(ask, world.find_guild(word), application.id)
    return {"id": application.id, "application_id": application.id, "token": application.token,
            "username": application.name}  # fmt: skip


def _join(ask: Ask, guild: Guild, user_id: str) -> Json:
    member = guild.members.get(user_id) or ask.core.world.add_member(guild, user_id)
    ask.core.events.guild_joined(guild, user_id)
    ask.core.events.member("GUILD_MEMBER_ADD", guild, member)
    return ask.core.payloads.member(member)


@on("POST", "guilds")
def _add_guild(ask: Ask) -> Json:
    world = ask.core.world
    owner = world.find_user(ask.body.get("owner")).id
    members = [world.find_user(word).id for word in ask.body.get("members") or ()]
    guild = world.add_guild(ask.body["name"], owner, members)
    guild.features = [str(word) for word in ask.body.get("features") or ()]
    for user_id in members:
        ask.core.events.guild_joined(guild, user_id)
    return {"id": guild.id, "name": guild.name}


@on("POST", "guilds/*/delete")
def _delete_guild(ask: Ask) -> Json:
    guild, outage = ask.guild(), bool(ask.body.get("unavailable"))
    bots = [user_id for user_id in guild.members if user_id in ask.core.world.applications]
    for bot_id in bots:
        ask.core.events.guild_gone(guild, bot_id, unavailable=outage)
        if not outage:
            del guild.members[bot_id]
    guild.unavailable = outage
    return {"id": guild.id, "bots": bots}


@on("POST", "guilds/*/restore")
def _restore_guild(ask: Ask) -> Json:
    """End an outage."""
    guild = ask.guild()
    guild.unavailable = False
    for user_id in guild.members:
        ask.core.events.guild_joined(guild, user_id)
    return {"id": guild.id}


@on("POST", "guilds/*/channels")
def _add_channel(ask: Ask) -> Json:
    world, guild = ask.core.world, ask.guild()
    channel = Channel(world.new_id(), int(ask.body.get("type") or 0), guild_id=guild.id)
    channel.position = len(world.channels_of(guild.id))
    _change_channel(ask, channel)
    world.add_channel(channel)
    ask.core.events.channel("CHANNEL_CREATE", channel)
    return ask.core.payloads.channel(channel)


def _change_channel(ask: Ask, channel: Channel) -> None:
    fields = dict(ask.body)
    if "parent" in fields:
        word = fields.pop("parent")
        fields["parent_id"] = ask.core.world.find_channel(word).id if word else None
    if "overwrites" in fields:
        fields["permission_overwrites"] = fields.pop("overwrites")
    apply_channel(channel, fields)


@on("POST", "channels/*/webhooks")
def _add_webhook(ask: Ask) -> Json:
    """A webhook a person made, or (``bot``) an application."""
    world = ask.core.world
    app = world.find_user(ask.body["bot"], bot=True).id if ask.body.get("bot") else None
    creator = app or world.find_user(ask.body.get("user")).id
    webhook = add_webhook(ask.core, ask.channel(), str(ask.body["name"]), creator, app)
    return ask.core.payloads.webhook(webhook)


@on("DELETE", "webhooks/*")
def _delete_webhook(ask: Ask) -> Json:
    """Somebody deletes a webhook in the channel's settings."""
    webhook = ask.core.world.webhooks.pop(ask.words[0], None)
    if webhook is not None:
        ask.core.events.webhooks(ask.core.world.channel(webhook.channel_id))
    return {"deleted": webhook is not None}


@on("PATCH", "channels/*")
def _edit_channel(ask: Ask) -> Json:
    channel = ask.channel()
    _change_channel(ask, channel)
    if channel.is_thread:
        ask.core.events.thread("THREAD_UPDATE", channel)
    else:
        ask.core.events.channel("CHANNEL_UPDATE", channel)
    return ask.core.payloads.channel(channel)


@on("DELETE", "channels/*")
def _delete_channel(ask: Ask) -> Json:
    channel = ask.channel()
    ask.core.actions.delete_channel(channel)
    return {"id": channel.id}


@on("POST", "guilds/*/roles")
def _add_role(ask: Ask) -> Json:
    guild = ask.guild()
    role = Role(ask.core.world.new_id(), guild.id, ask.body["name"], int(ask.body.get("permissions") or 0),
                len(guild.roles), mentionable=bool(ask.body.get("mentionable")))  # fmt: skip
    guild.roles[role.id] = role
    ask.core.events.role("GUILD_ROLE_CREATE", guild, role)
    return ask.core.payloads.role(role)


@on("PATCH", "guilds/*/roles/*")
def _edit_role(ask: Ask) -> Json:
    guild = ask.guild()
    role = ask.core.world.find_role(guild, ask.words[1])
    role.name = str(ask.body.get("name", role.name))
    role.permissions = int(ask.body.get("permissions", role.permissions))
    role.mentionable = bool(ask.body.get("mentionable", role.mentionable))
    ask.core.events.role("GUILD_ROLE_UPDATE", guild, role)
    return ask.core.payloads.role(role)


@on("POST", "guilds/*/members")
def _add_member(ask: Ask) -> Json:
    guild = ask.guild()
    user_id = ask.user()
    if user_id not in guild.members:
        ask.core.world.add_member(guild, user_id)
    _change_member(ask, guild, user_id)
    return _join(ask, guild, user_id)


def _change_member(ask: Ask, guild: Guild, user_id: str) -> None:
    member = guild.members[user_id]
    if ask.body.get("roles") is not None:
        managed = [r for r in member.roles if guild.roles[r].managed]
        named = [ask.core.world.find_role(guild, word).id for word in ask.body["roles"]]
        member.roles = list(dict.fromkeys([*managed, *named]))
    if "nick" in ask.body:
        member.nick = ask.body["nick"]
    if "communication_disabled_until" in ask.body:
        member.communication_disabled_until = ask.body["communication_disabled_until"]


@on("PATCH", "guilds/*/members/*")
def _edit_member(ask: Ask) -> Json:
    guild = ask.guild()
    member = ask.core.world.member(guild.id, ask.core.world.find_user(ask.words[1]).id)
    _change_member(ask, guild, member.user_id)
    ask.core.events.member("GUILD_MEMBER_UPDATE", guild, member)
    return ask.core.payloads.member(member)


@on("DELETE", "guilds/*/members/*")
def _remove_member(ask: Ask) -> Json:
    guild = ask.guild()
    member = ask.core.world.member(guild.id, ask.core.world.find_user(ask.words[1]).id)
    ask.core.events.member("GUILD_MEMBER_REMOVE", guild, member)
    if member.user_id in ask.core.world.applications:
        ask.core.events.guild_gone(guild, member.user_id, unavailable=False)
    del guild.members[member.user_id]
    return {"id": member.user_id}


@on("PATCH", "guilds/*/voice/*")
def _set_voice(ask: Ask) -> Json:
    guild = ask.guild()
    user_id = ask.core.world.find_user(ask.words[1]).id
    channel = ask.body.get("channel")
    if channel is None:
        guild.voice.pop(user_id, None)
    else:
        guild.voice[user_id] = ask.core.world.find_channel(channel).id
    return {"user_id": user_id, "channel_id": guild.voice.get(user_id)}


@on("PATCH", "users/*")
def _edit_user(ask: Ask) -> Json:
    user = ask.core.world.find_user(ask.words[0])
    user.dms = bool(ask.body.get("dms", user.dms))
    return {"id": user.id, "dms": user.dms}


@on("POST", "dms")
def _open_dm(ask: Ask) -> Json:
    bot = ask.core.world.find_user(ask.body.get("bot"), bot=True).id
    return ask.core.payloads.channel(ask.core.world.dm_of(ask.user(), bot))
