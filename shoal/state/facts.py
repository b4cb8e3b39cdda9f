"""Facts about Discord: guilds, channels, roles, threads, ourselves.

Written by the gateway from dispatches, read by the workers, derived (a fresh READY brings
them again). Values are JSON objects as Discord sent them; Redis sees opaque bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Facts"]

Fact = dict[str, Any]


class Facts:
    """Hashes ``facts:<account>:<kind>`` of id → JSON.

    Kinds: guild, channel, roles, me, dm, direct, member, refused,
    presence.<guild>, misc.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, account: str, kind: str, fact_id: str, value: Any) -> None:
        """Store one fact of any kind; ``value`` is JSON-able or ready JSON (``msgspec.Raw`` or bytes)."""
        self._store.redis.hset(self._store.keys.facts(account, kind), check_name(fact_id), _json(value))

    def get(self, account: str, kind: str, fact_id: str) -> Any | None:
        """One fact, or None."""
        raw: bytes | None = self._store.redis.hget(self._store.keys.facts(account, kind), fact_id)
        return None if raw is None else msgspec.json.decode(raw)

    def all(self, account: str, kind: str) -> dict[str, Any]:
        """Every fact of a kind by id."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.facts(account, kind))
        return {fact_id.decode(): msgspec.json.decode(value) for fact_id, value in raw.items()}

    def some(self, account: str, kind: str, fact_ids: Sequence[str]) -> dict[str, Any]:
        """Those of some facts of a kind that are known, by id."""
        found: dict[str, Any] = {}
        for start in range(0, len(fact_ids), 1000):
            part = fact_ids[start : start + 1000]
            values = self._store.redis.hmget(self._store.keys.facts(account, kind), list(part))
            pairs = zip(part, values, strict=True)
            found |= {name: msgspec.json.decode(raw) for name, raw in pairs if raw is not None}
        return found

    def remove(self, account: str, kind: str, fact_id: str) -> None:
        """Forget one fact."""
        self._store.redis.hdel(self._store.keys.facts(account, kind), fact_id)

    # -- guilds ----------------------------------------------------------------------------------

    def put_guild(self, account: str, guild_id: str, guild: Mapping[str, Any]) -> None:
        """Store a GUILD_CREATE or GUILD_UPDATE: the guild, its roles, its channels and threads.

        The big lists (``members``, ``presences``, ``emojis``, …) are not kept in the guild's own fact.
        Channels missing from a GUILD_CREATE are forgotten; an update without the lists leaves them.
        """
        small = {key: value for key, value in guild.items() if key not in _BIG}
        pipeline = self._store.redis.pipeline(transaction=True)
        pipeline.hset(self._store.keys.facts(account, "guild"), check_name(guild_id), _json(small))
        if "roles" in guild:
            pipeline.hset(self._store.keys.facts(account, "roles"), guild_id, _json(guild["roles"]))
        if "channels" in guild:
            fresh = [*guild["channels"], *(guild.get("threads") or ())]
            members = self._store.keys.guild_channels(account, guild_id)
            known: set[bytes] = self._store.redis.smembers(members)
            fresh = [channel for channel in fresh if isinstance(channel, Mapping) and "id" in channel]
            ids = {str(channel["id"]) for channel in fresh}
            gone = [name for name in known if name.decode() not in ids]
            if gone:
                pipeline.hdel(self._store.keys.facts(account, "channel"), *gone).srem(members, *gone)
            for channel in fresh:
                self._channel(pipeline, account, guild_id, channel)
        pipeline.execute()

    def guild(self, account: str, guild_id: str) -> Fact | None:
        """A guild without its lists."""
        return self.get(account, "guild", guild_id)

    def guilds(self, account: str) -> dict[str, Fact]:
        """All guilds by id."""
        return self.all(account, "guild")

    def remove_guild(self, account: str, guild_id: str) -> None:
        """Forget a guild with its roles and channels."""
        members = self._store.keys.guild_channels(account, guild_id)
        known: set[bytes] = self._store.redis.smembers(members)
        pipeline = self._store.redis.pipeline(transaction=True)
        pipeline.hdel(self._store.keys.facts(account, "guild"), guild_id)
        pipeline.hdel(self._store.keys.facts(account, "roles"), guild_id)
        pipeline.delete(self._store.keys.facts(account, f"presence.{guild_id}"))
        if known:
            pipeline.hdel(self._store.keys.facts(account, "channel"), *known)
        pipeline.delete(members)
        pipeline.execute()

    # -- presences ---------------------------------------------------------------------------------

    def put_presences(
        self, account: str, guild_id: str, presences: Mapping[str, Any], *, whole: bool = False
    ) -> None:
        """Store what members of a guild show, by user id; ``None`` forgets it (offline).

        Args:
            whole: nobody else is online.
        """
        key = self._store.keys.facts(account, f"presence.{check_name(guild_id)}")
        pipeline = self._store.redis.pipeline(transaction=True)
        if whole:
            pipeline.delete(key)
        for user_id, presence in presences.items():
            if presence is None:
                pipeline.hdel(key, user_id)
            else:
                pipeline.hset(key, check_name(user_id), _json(presence))
        pipeline.execute()

    def presence(self, account: str, guild_id: str, user_id: str) -> Fact | None:
        """What a member shows; nothing without the presence intent, or while he is offline."""
        return self.get(account, f"presence.{guild_id}", user_id)

    # -- channels and threads --------------------------------------------------------------------

    def put_channel(self, account: str, channel: Mapping[str, Any], guild_id: str | None = None) -> None:
        """Store a channel or thread object (its ``id``; ``guild_id`` from the object or given)."""
        pipeline = self._store.redis.pipeline(transaction=True)
        self._channel(pipeline, account, guild_id or str(channel.get("guild_id") or ""), channel)
        pipeline.execute()

    def _channel(self, pipeline: Any, account: str, guild_id: str, channel: Mapping[str, Any]) -> None:
        channel_id = check_name(str(channel["id"]))
        value = {**channel, "guild_id": guild_id} if guild_id else dict(channel)
        pipeline.hset(self._store.keys.facts(account, "channel"), channel_id, _json(value))
        if guild_id:
            pipeline.sadd(self._store.keys.guild_channels(account, guild_id), channel_id)

    def channel(self, account: str, channel_id: str) -> Fact | None:
        """A channel or thread with its ``guild_id``."""
        return self.get(account, "channel", channel_id)

    def channels(self, account: str, guild_id: str) -> list[Fact]:
        """Channels and threads of a guild."""
        ids: set[bytes] = self._store.redis.smembers(self._store.keys.guild_channels(account, guild_id))
        if not ids:
            return []
        raw = self._store.redis.hmget(self._store.keys.facts(account, "channel"), list(ids))
        return [msgspec.json.decode(value) for value in raw if value is not None]

    def remove_channel(self, account: str, channel_id: str) -> None:
        """Forget a channel or thread."""
        known = self.channel(account, channel_id)
        self._store.redis.hdel(self._store.keys.facts(account, "channel"), channel_id)
        if known and known.get("guild_id"):
            self._store.redis.srem(
                self._store.keys.guild_channels(account, str(known["guild_id"])), channel_id
            )

    # -- roles -----------------------------------------------------------------------------------

    def roles(self, account: str, guild_id: str) -> list[Fact]:
        """Roles of a guild, as Discord lists them."""
        return self.get(account, "roles", guild_id) or []

    def put_roles(self, account: str, guild_id: str, roles: Iterable[Mapping[str, Any]]) -> None:
        """Replace the roles of a guild."""
        self.put(account, "roles", guild_id, list(roles))

    def put_role(self, account: str, guild_id: str, role: Mapping[str, Any]) -> None:
        """Add or replace one role. Only the account's gateway writes roles, so read-then-write is safe."""
        others = [known for known in self.roles(account, guild_id) if known.get("id") != role.get("id")]
        self.put_roles(account, guild_id, [*others, dict(role)])

    def remove_role(self, account: str, guild_id: str, role_id: str) -> None:
        """Forget one role."""
        roles = [known for known in self.roles(account, guild_id) if str(known.get("id")) != role_id]
        self.put_roles(account, guild_id, roles)

    # -- ourselves and DMs -----------------------------------------------------------------------

    def put_me(self, account: str, user: Mapping[str, Any]) -> None:
        """Store our own user object (READY), with whatever else the gateway adds (application id, …)."""
        self.put(account, "me", "me", dict(user))

    def me(self, account: str) -> Fact | None:
        """Our own user object."""
        return self.get(account, "me", "me")

    def put_dm_channel(self, account: str, user_id: str, channel_id: str) -> None:
        """Remember the DM channel with a user."""
        self.put(account, "dm", user_id, channel_id)

    def put_direct(self, account: str, channel_id: str, user_id: str) -> None:
        """Remember that a channel is none of a guild's, and, if it is no group DM, that it is the DM with
        ``user_id`` (``""``: not known), who wrote there.
        """
        self.put(account, "direct", channel_id, 1)
        known = self.channel(account, channel_id) or {}
        if user_id and known.get("type") != _GROUP_DM:
            self.put_dm_channel(account, user_id, channel_id)

    def direct(self, account: str) -> set[str]:
        """Channels outside guilds in which somebody wrote."""
        raw: list[bytes] = self._store.redis.hkeys(self._store.keys.facts(account, "direct"))
        return {channel.decode() for channel in raw}

    def dm_channel(self, account: str, user_id: str) -> str | None:
        """The DM channel with a user, if one is known."""
        value = self.get(account, "dm", user_id)
        return None if value is None else str(value)


_GROUP_DM = 3
"""Discord's channel type."""
_BIG = frozenset(
    {"channels", "threads", "roles", "members", "presences", "emojis", "stickers", "voice_states",
     "stage_instances", "guild_scheduled_events", "soundboard_sounds"}
)  # fmt: skip


def _json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)
