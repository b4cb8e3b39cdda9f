"""What the workers must know about servers, channels, roles, threads and ourselves.

Kept small: of each object only the fields somebody reads. Applied by the writer in the
order of the dispatches and *before* the cursor moves past them, so a worker that sees a
message also sees the channel it came in. Everything here may be applied twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.events import Malformed
from shoal.base.errors import InvalidName
from shoal.state.facts import Facts

__all__ = ["FACT_EVENTS", "apply_fact", "guild_of", "shard_of"]

Json = Mapping[str, Any]

_GUILD = (
    *("id", "name", "owner_id", "preferred_locale", "description", "features", "member_count", "large"),
    *("joined_at", "system_channel_id", "rules_channel_id", "afk_channel_id", "unavailable", "icon"),
)
_CHANNEL = (
    *("id", "type", "guild_id", "parent_id", "name", "topic", "nsfw", "position", "flags"),
    *("permission_overwrites", "rate_limit_per_user", "default_thread_rate_limit_per_user"),
    *("last_message_id", "owner_id", "thread_metadata", "message_count", "member", "applied_tags"),
    *("available_tags", "default_auto_archive_duration", "default_forum_layout", "bitrate", "user_limit"),
    *("recipients", "total_message_sent"),
)
_ROLE = ("id", "name", "permissions", "position", "color", "hoist", "managed", "mentionable", "tags", "flags")
_MEMBER = ("nick", "roles", "joined_at", "communication_disabled_until", "pending", "flags", "permissions")
_ACTIVITY = ("name", "type", "state", "details", "url")
_USER = ("id", "username", "global_name", "discriminator", "avatar", "bot", "flags", "public_flags", "locale")

FACT_EVENTS = frozenset(
    {
        *("READY", "USER_UPDATE", "GUILD_MEMBER_UPDATE"),
        *("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"),
        *("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"),
        *("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"),
        *("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC"),
        "PRESENCE_UPDATE",
    }
)
"""Dispatches that change facts; some of them are kept in a lane as well."""


def apply_fact(facts: Facts, account: str, event: str, data: msgspec.Raw, me: str | None) -> None:
    """Write what a dispatch of :data:`FACT_EVENTS` says.

    Args:
        me: our own user id, to find our own member.

    Raises:
        Malformed: the dispatch cannot be read; nothing or a part of it was written.
        StoreUnavailable: Redis did not answer; apply it again.
    """
    try:
        body = msgspec.json.decode(data, type=dict[str, Any])
        _apply(facts, account, event, body, me)
    except (msgspec.DecodeError, InvalidName, KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{event} cannot be read: {type(error).__name__} {error}"[:300]) from None


def _apply(facts: Facts, account: str, event: str, body: dict[str, Any], me: str | None) -> None:
    match event:
        case "READY":
            _ready(facts, account, body)
        case "USER_UPDATE":
            facts.put_me(account, {**(facts.me(account) or {}), **_pick(body, _USER)})
        case "GUILD_MEMBER_UPDATE":
            if me is not None and str(_map(body.get("user")).get("id")) == me:
                facts.put(account, "member", str(body["guild_id"]), _pick(body, _MEMBER))
        case "GUILD_CREATE" | "GUILD_UPDATE":
            if event == "GUILD_CREATE" and body.get("presences"):
                here = dict(_presence(one) for one in _maps(body["presences"]))
                facts.put_presences(account, str(body["id"]), here, whole=True)
            known = facts.guild(account, str(body["id"])) if event == "GUILD_UPDATE" else None
            _guild(facts, account, body, me, known or {})
        case "GUILD_DELETE":
            if body.get("unavailable") is None:
                facts.remove_guild(account, str(body["id"]))
                facts.remove(account, "member", str(body["id"]))
        case "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE":
            facts.put_channel(account, _channel(body))
        case "CHANNEL_DELETE" | "THREAD_DELETE":
            facts.remove_channel(account, str(body["id"]))
        case "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE":
            facts.put_role(account, str(body["guild_id"]), _pick(body["role"], _ROLE))
        case "GUILD_ROLE_DELETE":
            facts.remove_role(account, str(body["guild_id"]), str(body["role_id"]))
        case "PRESENCE_UPDATE":
            facts.put_presences(account, str(body["guild_id"]), dict([_presence(body)]))
        case "THREAD_LIST_SYNC":
            _threads(facts, account, body)


def _presence(body: Json) -> tuple[str, Json | None]:
    """Whose presence it is, and what is shown of it; nothing of who is offline."""
    user_id, status = str(_map(body.get("user"))["id"]), body.get("status")
    if status in (None, "offline"):
        return user_id, None
    activities = [_pick(one, _ACTIVITY) for one in _maps(body.get("activities"))]
    return user_id, {"status": status, "activities": activities}


def guild_of(data: msgspec.Raw) -> tuple[str, bool]:
    """Id of the guild a dispatch is about (``""`` if it has none), and whether it is away."""
    try:
        body = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return "", False
    return (
        (str(body.get("id") or ""), bool(body.get("unavailable"))) if isinstance(body, dict) else ("", False)
    )


def _ready(facts: Facts, account: str, body: dict[str, Any]) -> None:
    """Ourselves; servers we are no longer in are forgotten, the others come again by GUILD_CREATE."""
    application = _map(body.get("application"))
    ours = {"application_id": application.get("id"), "application_flags": application.get("flags")}
    facts.put_me(account, {**_pick(_map(body["user"]), _USER), **ours})
    present = {str(guild.get("id")) for guild in _maps(body.get("guilds"))}
    number, count = _shard(body)
    for guild_id in facts.guilds(account):
        if guild_id not in present and shard_of(guild_id, count) == number:
            facts.remove_guild(account, guild_id)


def _shard(body: Json) -> tuple[int, int]:
    """Which shard a READY is of, of how many; a server that does not say has one."""
    match body.get("shard"):
        case [int(number), int(count)] if count > 0:
            return number, count
    return 0, 1


def shard_of(guild_id: str, shards: int) -> int:
    """The shard that has a guild; 0 for what is no snowflake, as for everything outside guilds."""
    return (int(guild_id) >> 22) % shards if guild_id.isascii() and guild_id.isdigit() else 0


def _guild(facts: Facts, account: str, body: Json, me: str | None, known: Json) -> None:
    """A server as a whole, or an update, which leaves out what it does not change (``known``)."""
    guild_id = str(body["id"])
    if body.get("unavailable"):
        return  # an outage: what we know stays
    small = {**known, **_pick(body, _GUILD)}
    if isinstance(body.get("roles"), list):
        small["roles"] = [_pick(role, _ROLE) for role in _maps(body["roles"])]
    if isinstance(body.get("channels"), list):
        small["channels"] = [_channel(channel) for channel in _maps(body["channels"])]
        small["threads"] = [_channel(thread) for thread in _maps(body.get("threads"))]
    facts.put_guild(account, guild_id, small)
    for member in _maps(body.get("members")):
        if me is not None and str(_map(member.get("user")).get("id")) == me:
            facts.put(account, "member", guild_id, _pick(member, _MEMBER))


def _threads(facts: Facts, account: str, body: dict[str, Any]) -> None:
    """Active threads of some parents, or of the whole guild: others of theirs are gone for us."""
    guild_id = str(body["guild_id"])
    listed = body.get("channel_ids")
    parents = None if listed is None else {str(parent) for parent in listed}
    threads = [_channel(thread) for thread in _maps(body.get("threads"))]
    active = {str(thread.get("id")) for thread in threads}
    for known in facts.channels(account, guild_id):
        parent = str(known.get("parent_id"))
        if "thread_metadata" not in known or (parents is not None and parent not in parents):
            continue
        if str(known["id"]) not in active:
            facts.remove_channel(account, str(known["id"]))
    for thread in threads:
        facts.put_channel(account, thread, guild_id)


def _channel(channel: Json) -> dict[str, Any]:
    small = _pick(channel, _CHANNEL)
    small["recipients"] = [_pick(user, _USER) for user in _maps(channel.get("recipients"))] or None
    return {key: value for key, value in small.items() if value is not None}


def _pick(source: Json, names: Iterable[str]) -> dict[str, Any]:
    """The named fields that are there and not null."""
    return {name: source[name] for name in names if source.get(name) is not None}


def _map(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Json]:
    """The objects of a list that have an id; anything else of a list is passed over."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
