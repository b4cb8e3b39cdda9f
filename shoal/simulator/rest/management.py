"""What moderators do: kick, ban, move channels; voice states, search, archived threads."""

from __future__ import annotations

from shoal.simulator.errors import forbidden, unknown
from shoal.simulator.model import Guild, Json
from shoal.simulator.permissions import (
    BAN_MEMBERS,
    KICK_MEMBERS,
    MANAGE_CHANNELS,
    READ_HISTORY,
    VIEW,
    compute,
)
from shoal.simulator.rest.guilds import guild_of, need_in_guild
from shoal.simulator.rest.messages import require
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.forms import Field, integer, list_of, obj, snowflake, validate

__all__: list[str] = []

_BAN = obj({"delete_message_seconds": Field(integer(0, 604_800), nullable=True)})
_MOVE = obj(
    {
        "id": Field(snowflake, required=True),
        "position": Field(integer(0), nullable=True),
        "parent_id": Field(snowflake, nullable=True),
    }
)


# -- members -------------------------------------------------------------------------------------


def _remove(call: Call, found: Guild, user_id: str) -> None:
    """Take somebody out; nobody removes the owner."""
    if user_id == found.owner_id:
        raise forbidden()
    member = call.core.world.member(found.id, user_id)
    call.core.events.member("GUILD_MEMBER_REMOVE", found, member)
    del found.members[user_id]


@route("DELETE", "/guilds/{guild_id}/members/{user_id}")
def kick(call: Call) -> Answer:
    """Kick."""
    found = guild_of(call)
    need_in_guild(call, found, KICK_MEMBERS)
    _remove(call, found, call.params["user_id"])
    return Answer(204)


@route("PUT", "/guilds/{guild_id}/bans/{user_id}")
def ban(call: Call) -> Answer:
    """Ban, whether the user is a member or not."""
    found = guild_of(call)
    need_in_guild(call, found, BAN_MEMBERS)
    validate(_BAN, call.fields())
    user = call.core.world.user(call.params["user_id"])
    if user.id in found.members:
        _remove(call, found, user.id)
    found.bans[user.id] = {"reason": call.reason, "user": call.core.payloads.user(user)}
    return Answer(204)


@route("GET", "/guilds/{guild_id}/bans/{user_id}")
def read_ban(call: Call) -> Answer:
    """One ban."""
    found = guild_of(call)
    need_in_guild(call, found, BAN_MEMBERS)
    if call.params["user_id"] not in found.bans:
        raise unknown("ban")
    return Answer(200, found.bans[call.params["user_id"]])


@route("GET", "/guilds/{guild_id}/voice-states/{user_id}")
def voice_state(call: Call) -> Answer:
    """Where somebody is in voice; 10065 if nowhere."""
    found, user_id = guild_of(call), call.params["user_id"]
    channel_id = found.voice.get(user_id)
    if channel_id is None:
        raise unknown("voice state")
    flags = dict.fromkeys(("deaf", "mute", "self_deaf", "self_mute", "self_video", "suppress"), False)
    state: Json = {"guild_id": found.id, "channel_id": channel_id, "user_id": user_id, "session_id": "s"}
    return Answer(200, {**state, **flags, "request_to_speak_timestamp": None})


# -- looking things up ---------------------------------------------------------------------------


@route("GET", "/guilds/{guild_id}/messages/search")
def search(call: Call) -> Answer:
    """Messages that hold the text, newest first, in channels the bot may read."""
    found = guild_of(call)
    words, limit = (call.arg("content") or "").lower(), call.number("limit", 25, 1, 25)
    channels, authors = call.query.get("channel_id"), call.query.get("author_id")
    world, hits = call.core.world, []
    for channel in [*world.channels_of(found.id), *world.channels_of(found.id, threads=True)]:
        if not compute(world, channel, call.me) & READ_HISTORY or (channels and channel.id not in channels):
            continue
        hits += [
            message
            for message in world.messages.get(channel.id, {}).values()
            if words in message.content.lower() and (not authors or message.author_id in authors)
        ]
    unique = sorted({message.id: message for message in hits}.values(), key=lambda one: -int(one.id))
    shown = [[call.core.payloads.message(message, call.me)] for message in unique[:limit]]
    return Answer(
        200,
        {"doing_deep_historical_index": False, "total_results": len(unique), "messages": shown},
    )


@route("GET", "/channels/{channel_id}/threads/archived/public")
def archived_threads(call: Call) -> Answer:
    """Archived public threads of a channel, newest first."""
    channel = call.channel()
    require(call, channel, VIEW, READ_HISTORY)
    before, limit = call.arg("before"), call.number("limit", 50, 2, 100)
    found = [
        thread
        for thread in call.core.world.channels_of(str(channel.guild_id), threads=True)
        if thread.parent_id == channel.id and thread.archived and thread.type != 12
        if before is None or thread.archive_timestamp < before
    ]
    found.sort(key=lambda thread: thread.archive_timestamp, reverse=True)
    shown = [call.core.payloads.thread(thread) for thread in found[:limit]]
    return Answer(200, {"threads": shown, "members": [], "has_more": len(found) > limit})


@route("PATCH", "/guilds/{guild_id}/channels")
def move_channels(call: Call) -> Answer:
    """Change positions and parents; channels of other guilds are unknown here."""
    found = guild_of(call)
    need_in_guild(call, found, MANAGE_CHANNELS)
    for move in validate(list_of(_MOVE), call.body):
        channel = call.core.world.channel(move["id"])
        if channel.guild_id != found.id:
            raise unknown("channel")
        if move.get("position") is not None:
            channel.position = move["position"]
        if "parent_id" in move:
            channel.parent_id = move["parent_id"]
        call.core.events.channel("CHANNEL_UPDATE", channel)
    return Answer(204)
