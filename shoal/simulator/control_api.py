"""The server side of ``/control``: people, readings, faults. See ``docs/simulator.md``."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from tornado.escape import url_unescape
from tornado.web import RequestHandler

from shoal.simulator.errors import ApiError, ControlError
from shoal.simulator.model import Channel, Guild, Json, Message, Role
from shoal.simulator.rest.guilds import apply_channel

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["Ask", "ControlHandler", "on", "unpack_files"]


@dataclass(slots=True)
class Ask:
    """One control call. ``words`` are the variable parts of the path."""

    core: Core
    words: list[str]
    body: Json
    query: dict[str, str]

    def channel(self) -> Channel:
        """The channel of the path."""
        return self.core.world.find_channel(self.words[0])

    def guild(self) -> Guild:
        """The guild of the path."""
        return self.core.world.find_guild(self.words[0])

    def user(self, key: str = "user") -> str:
        """Id of the acting user."""
        return self.core.world.find_user(self.body.get(key)).id

    def message(self) -> Message:
        """The message of the path."""
        return self.core.world.message(self.channel().id, self.words[1])


_Serve: TypeAlias = "Callable[[Ask], Any]"
_SERVED: list[tuple[str, list[str], _Serve]] = []


def on(method: str, path: str) -> Callable[[_Serve], _Serve]:
    """Register a control call; ``*`` in the path is a variable part."""

    def register(serve: _Serve) -> _Serve:
        _SERVED.append((method, path.split("/"), serve))
        return serve

    return register


class ControlHandler(RequestHandler):
    """Serves ``/control/…``; refusals are ``{"error": …}``."""

    core: Core

    def initialize(self, core: Core) -> None:
        """Given by the route table."""
        self.core = core

    def serve(self, path: str) -> None:
        """Any method."""
        try:
            status, answer = 200, self._run(path)
        except ControlError as error:
            status, answer = error.status or 400, {"error": str(error)}
        except ApiError as error:
            status, answer = error.status, {"error": error.message, **error.body()}
        except (KeyError, TypeError, ValueError) as error:
            status, answer = 400, {"error": f"Wrong call of /control/{path}: {type(error).__name__} {error}."}
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(orjson.dumps(answer))

    get = post = patch = delete = serve

    def compute_etag(self) -> str | None:
        """No caching here."""
        return None

    def _run(self, path: str) -> Any:
        words = path.strip("/").split("/")
        raw = self.request.body
        body = orjson.loads(raw) if raw else {}
        query = {key: values[-1].decode() for key, values in self.request.query_arguments.items()}
        for method, names, serve in _SERVED:
            if method != self.request.method or len(names) != len(words):
                continue
            pairs = list(zip(names, words, strict=True))
            if all(name in ("*", word) for name, word in pairs):
                variable = [url_unescape(word, plus=False) for name, word in pairs if name == "*"]
                return serve(Ask(self.core, variable, body, query))
        raise ControlError(f"No control call {self.request.method} /control/{path}.", status=404)


# -- state, settings, faults ---------------------------------------------------------------------


@on("GET", "state")
def _state(ask: Ask) -> Json:
    return {
        **ask.core.world.snapshot(),
        "origin": ask.core.origin,
        "api_url": f"{ask.core.origin}/api/v10",
        "gateway_url": ask.core.gateway_url,
        "settings": ask.core.settings.as_dict(),
        "faults": [fault.as_dict() for fault in ask.core.faults.faults],
        "sessions": _sessions(ask),
    }


@on("PATCH", "settings")
def _settings(ask: Ask) -> Json:
    ask.core.settings.change(ask.body)
    return ask.core.settings.as_dict()


@on("POST", "faults")
def _add_fault(ask: Ask) -> Json:
    return ask.core.faults.add(ask.body).as_dict()


@on("GET", "faults")
def _faults(ask: Ask) -> list[Json]:
    return [fault.as_dict() for fault in ask.core.faults.faults]


@on("DELETE", "faults")
def _clear_faults(ask: Ask) -> Json:
    ask.core.faults.faults.clear()
    return {}


@on("DELETE", "faults/*")
def _remove_fault(ask: Ask) -> Json:
    ask.core.faults.remove(int(ask.words[0]))
    return {}


@on("GET", "sessions")
def _sessions(ask: Ask) -> list[Json]:
    sessions = [s for s in map(ask.core.hub.live, list(ask.core.hub.sessions)) if s is not None]
    return [
        {
            "id": session.id,
            "bot": session.bot_id,
            "bot_name": ask.core.world.users[session.bot_id].username,
            "shard": list(session.shard),
            "intents": session.intents,
            "seq": session.seq,
            "connected": session.socket is not None,
            "resumes": session.resumes,
            "identified_at": session.identified_at,
        }
        for session in sessions
    ]


@on("POST", "gateway")
def _gateway(ask: Ask) -> Json:
    """Strike the open sockets (of a bot) now; ``forget`` ends sessions without telling."""
    action, touched = ask.body.get("action"), 0
    bot = ask.core.world.find_user(ask.body["bot"], bot=True).id if ask.body.get("bot") else None
    if action == "forget":
        for session in list(ask.core.hub.sessions.values()):
            if bot in (None, session.bot_id) and session.socket is None:
                ask.core.hub.forget(session)
                touched += 1
        return {"touched": touched}
    kinds = {"close": "gateway_close", "cut": "gateway_cut", "reconnect": "gateway_reconnect",
             "invalidate": "gateway_invalid_session", "stall": "gateway_stall"}  # fmt: skip
    if action not in kinds:
        raise ControlError(
            f"No gateway action {action!r}.", status=400, fix=f"Known: forget, {', '.join(kinds)}."
        )
    fields = {"code": 4000, "resumable": False, "seconds": 5.0, **ask.body}
    for socket in list(ask.core.sockets):
        if bot is None or (socket.session is not None and socket.session.bot_id == bot):
            socket.strike(kinds[action], fields)
            touched += 1
    return {"touched": touched}


@on("GET", "requests")
def _requests(ask: Ask) -> list[Json]:
    query = dict(ask.query)
    after, route = int(query.pop("after", 0)), query.pop("route", "")
    return [line for line in ask.core.log.select("request", after, **query) if route in line["route"]]


@on("GET", "events")
def _events(ask: Ask) -> list[Json]:
    query = dict(ask.query)
    after, name = int(query.pop("after", 0)), query.pop("name", None)
    return ask.core.log.select("event", after, **query, **({"event": name} if name else {}))


@on("GET", "gateway")
def _happenings(ask: Ask) -> list[Json]:
    query = dict(ask.query)
    return ask.core.log.select("gateway", int(query.pop("after", 0)), **query)


# -- the world -----------------------------------------------------------------------------------


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


@on("POST", "dms")
def _open_dm(ask: Ask) -> Json:
    bot = ask.core.world.find_user(ask.body.get("bot"), bot=True).id
    return ask.core.payloads.channel(ask.core.world.dm_of(ask.user(), bot))


def unpack_files(files: list[Json]) -> list[tuple[str, str, bytes]]:
    """``[{filename, data}]`` with base64 data into uploads.

    Raises:
        ControlError: the data is no base64.
    """
    try:
        return [
            (
                str(file["filename"]),
                str(
                    file.get("content_type")
                    or mimetypes.guess_type(file["filename"])[0]
                    or "application/octet-stream"
                ),
                base64.b64decode(file["data"], validate=True),
            )
            for file in files
        ]
    except binascii.Error as error:
        raise ControlError(f"File data is no base64: {error}.", status=400) from error
