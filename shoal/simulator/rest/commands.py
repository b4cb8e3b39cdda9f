"""Application commands: list, create, bulk overwrite, change, delete; global and per guild."""

from __future__ import annotations

from shoal.simulator.errors import ApiError, unknown
from shoal.simulator.model import Json
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.channels import commands
from shoal.simulator.wire.forms import validate

__all__: list[str] = []


def _owned(call: Call) -> list[Json]:
    """The list of the path's scope; others' applications are 20012."""
    if call.bot is None or call.params["application_id"] != call.bot.id:
        raise ApiError(403, 20012, "You are not authorized to perform this action on this application")
    guild_id = call.params.get("guild_id")
    if guild_id is not None and call.me not in call.core.world.guild(guild_id).members:
        raise ApiError(403, 50001, "Missing Access")
    return call.bot.commands.setdefault(guild_id, [])


def _finished(call: Call, command: Json, old: Json | None) -> Json:
    """A stored command with everything Discord adds."""
    new_id = call.core.world.new_id()
    scoped = "guild_id" in call.params
    finished: Json = {
        "id": old["id"] if old is not None else new_id,
        "application_id": call.me,
        "version": new_id,
        "default_member_permissions": None,
        "type": 1,
        "description": "",
        "nsfw": False,
        "name_localizations": None,
        "description_localizations": None,
        **{key: value for key, value in command.items() if key != "id"},
    }
    if scoped:
        finished["guild_id"] = call.params["guild_id"]
    else:
        finished.setdefault("dm_permission", True)
        finished.setdefault("contexts", None)
        finished.setdefault("integration_types", [0])
    same = {"id", "version"}
    if old is not None and {k: v for k, v in old.items() if k not in same} == {
        k: v for k, v in finished.items() if k not in same
    }:
        finished["version"] = old["version"]
    return finished


def _same(one: Json, other: Json) -> bool:
    return bool(one["name"] == other["name"] and (one.get("type") or 1) == (other.get("type") or 1))


@route("GET", "/applications/{application_id}/commands")
@route("GET", "/applications/{application_id}/guilds/{guild_id}/commands")
def listing(call: Call) -> Answer:
    """All commands of the scope."""
    return Answer(200, _owned(call))


@route("PUT", "/applications/{application_id}/commands")
@route("PUT", "/applications/{application_id}/guilds/{guild_id}/commands")
def overwrite(call: Call) -> Answer:
    """Replace all commands; those not listed are gone."""
    kept = _owned(call)
    body = validate(commands, call.body)
    fresh = [_finished(call, new, next((old for old in kept if _same(old, new)), None)) for new in body]
    kept[:] = fresh
    return Answer(200, fresh)


@route("POST", "/applications/{application_id}/commands")
@route("POST", "/applications/{application_id}/guilds/{guild_id}/commands")
def create(call: Call) -> Answer:
    """Make a command, or overwrite the one of this name."""
    kept = _owned(call)
    new = validate(commands, [call.body])[0]
    old = next((c for c in kept if _same(c, new)), None)
    finished = _finished(call, new, old)
    if old is not None:
        kept[kept.index(old)] = finished
        return Answer(200, finished)
    kept.append(finished)
    return Answer(201, finished)


def _one(call: Call) -> tuple[list[Json], Json]:
    kept = _owned(call)
    for command in kept:
        if command["id"] == call.params["command_id"]:
            return kept, command
    raise unknown("command")


@route("GET", "/applications/{application_id}/commands/{command_id}")
@route("GET", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}")
def read(call: Call) -> Answer:
    """One command."""
    return Answer(200, _one(call)[1])


@route("PATCH", "/applications/{application_id}/commands/{command_id}")
@route("PATCH", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}")
def change(call: Call) -> Answer:
    """Change a command."""
    kept, old = _one(call)
    body = validate(commands, [{**{k: old[k] for k in ("name", "description", "type")}, **call.fields()}])[0]
    finished = _finished(call, {**old, **body}, old)
    kept[kept.index(old)] = finished
    return Answer(200, finished)


@route("DELETE", "/applications/{application_id}/commands/{command_id}")
@route("DELETE", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}")
def delete(call: Call) -> Answer:
    """Delete a command."""
    kept, old = _one(call)
    kept.remove(old)
    return Answer(204)
