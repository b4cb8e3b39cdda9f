"""``guilds`` and their ``channels``, compiled: which entry is in force where (``spec/inbound.md`` 3.5).

An entry is looked for by id, then by name, then ``"*"``. Guild ``"*"`` is a whole entry and never
merged into another; a channel entry lies over channel ``"*"`` key by key (decision 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.access.entries import AllowList, Group
from workers.access.facts import Surface
from workers.access.limits import UserLimits
from workers.access.names import NO_NAMES, Names
from workers.access.slugs import KeyIndex
from workers.access.tool_policy import ToolRules

__all__ = ["ChannelEntry", "Channels", "GuildEntry", "Guilds", "clean", "role_ids", "sender_restriction"]


def role_ids(entries: Iterable[str | int] | None) -> frozenset[str] | None:
    """Role ids of a list; ``role:<id>`` and ``<@&id>`` count, names do not. ``None`` for no list."""
    if entries is None:
        return None
    found = set()
    for raw in entries:
        entry = str(raw).strip().removeprefix("role:").strip()
        if entry.startswith("<@&") and entry.endswith(">"):
            entry = entry[3:-1]
        if entry == "*" or (entry.isascii() and entry.isdigit()):
            found.add(entry)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """One entry of ``guilds.<g>.channels``, already laid over the entry ``"*"`` key by key."""

    key: str
    enabled: bool = True
    require_mention: bool | None = None
    ignore_other_mentions: bool | None = None
    wake_on_mass_mentions: bool | None = None
    auto_thread: bool = False
    auto_thread_generated: bool = False
    """``autoThreadName: "generated"``: a model finds the thread's title afterwards."""
    auto_archive_minutes: int = 60
    users: AllowList | None = None
    roles: frozenset[str] | None = None
    tools: ToolRules = field(default_factory=ToolRules)

    @classmethod
    def read(
        cls,
        key: str,
        raw: Mapping[str, Any],
        groups: Mapping[str, Group] | None = None,
        names: Names = NO_NAMES,
    ) -> ChannelEntry:
        """Compile one entry. ``enabled`` wins over its old name ``allow``."""
        enabled = raw.get("enabled")
        if enabled is None:
            enabled = raw.get("allow")
        return cls(
            key=key,
            enabled=enabled is not False,
            require_mention=raw.get("requireMention"),
            ignore_other_mentions=raw.get("ignoreOtherMentions"),
            wake_on_mass_mentions=raw.get("wakeOnMassMentions"),
            auto_thread=bool(raw.get("autoThread")),
            auto_thread_generated=raw.get("autoThreadName") == "generated",
            auto_archive_minutes=int(raw.get("autoArchiveDuration") or 60),
            users=AllowList.parse(raw.get("users"), groups, users=names.users),
            roles=role_ids(raw.get("roles")),
            tools=ToolRules.read(raw),
        )


@dataclass(frozen=True, slots=True)
class Channels:
    """The ``channels`` of a guild. An empty map denies every channel (decision 1)."""

    entries: Mapping[str, ChannelEntry]
    index: KeyIndex = field(compare=False, repr=False)

    @classmethod
    def read(
        cls,
        written: Mapping[str, Any],
        groups: Mapping[str, Group] | None = None,
        names: Names = NO_NAMES,
        guild_key: str = "",
    ) -> Channels:
        """Compile a map of the guild entry ``guild_key``."""
        base = clean(written.get("*"))
        entries = {
            name: ChannelEntry.read(name, raw if name == "*" else _overlay(base, raw), groups, names)
            for name, raw in ((name, clean(raw)) for name, raw in written.items())
        }
        return cls(entries, KeyIndex(entries, names.channels.get(guild_key)))

    def find(self, surface: Surface) -> ChannelEntry | None:
        """The entry of a channel: its own, its parent's, then ``"*"``. A thread is found by id only."""
        own = self.index.find(id=surface.channel_id, name="" if surface.is_thread else surface.channel_name)
        if own is None and surface.is_thread and surface.parent_id:
            own = self.index.find(id=surface.parent_id, name=surface.parent_name)
        return self.entries.get("*" if own is None else own)

    def needs_place(self, surface: Surface) -> bool:
        """Whether an entry could be meant that cannot be found, because nobody told us enough of the channel:
        it may be a thread of a listed one, or have a listed name."""
        if self.index.has_id(surface.channel_id):
            return False
        if not surface.known:
            return bool(self.index)
        if surface.is_thread:
            found = bool(surface.parent_name) or self.index.has_id(surface.parent_id)
        else:
            found = bool(surface.channel_name)
        return not found and self.index.by_name


@dataclass(frozen=True, slots=True)
class GuildEntry:
    """One entry of ``guilds``. ``channels`` is ``None`` where no map is written: every channel is open."""

    key: str
    slug: str = ""
    require_mention: bool | None = None
    ignore_other_mentions: bool | None = None
    wake_on_mass_mentions: bool | None = None
    users: AllowList | None = None
    roles: frozenset[str] | None = None
    channels: Channels | None = None
    limits: UserLimits = field(default_factory=UserLimits)
    tools: ToolRules = field(default_factory=ToolRules)

    @classmethod
    def read(
        cls,
        key: str,
        raw: Mapping[str, Any],
        groups: Mapping[str, Group] | None = None,
        names: Names = NO_NAMES,
    ) -> GuildEntry:
        """Compile one entry with its channels."""
        channels = raw.get("channels")
        return cls(
            key=key,
            slug=str(raw.get("slug") or ""),
            require_mention=raw.get("requireMention"),
            ignore_other_mentions=raw.get("ignoreOtherMentions"),
            wake_on_mass_mentions=raw.get("wakeOnMassMentions"),
            users=AllowList.parse(raw.get("users"), groups, users=names.users),
            roles=role_ids(raw.get("roles")),
            channels=None if channels is None else Channels.read(channels, groups, names, key),
            limits=UserLimits.read(raw.get("userLimits")),
            tools=ToolRules.read(raw),
        )


@dataclass(frozen=True, slots=True)
class Guilds:
    """The map ``guilds`` of an account."""

    entries: Mapping[str, GuildEntry] = field(default_factory=dict)
    index: KeyIndex = field(default_factory=lambda: KeyIndex(()), compare=False, repr=False)

    @classmethod
    def read(
        cls,
        written: Mapping[str, Any] | None,
        groups: Mapping[str, Group] | None = None,
        names: Names = NO_NAMES,
    ) -> Guilds:
        """Compile the map; an absent one is empty."""
        entries = {
            key: GuildEntry.read(key, clean(raw), groups, names) for key, raw in (written or {}).items()
        }
        return cls(entries, KeyIndex(entries, names.guilds))

    def find(self, surface: Surface) -> GuildEntry | None:
        """The entry of a guild: by id, by name, then ``"*"``, which is a whole entry and never merged."""
        if surface.guild_id is None:
            return None
        key = self.index.find(id=surface.guild_id, name=surface.guild_name)
        return self.entries.get("*" if key is None else key)

    def needs_name(self, surface: Surface) -> bool:
        """Whether an entry could be meant that cannot be found, because the guild's name is not known."""
        return not surface.guild_name and not self.index.has_id(surface.guild_id) and self.index.by_name


def sender_restriction(
    guild: GuildEntry | None, channel: ChannelEntry | None
) -> tuple[AllowList | None, frozenset[str] | None]:
    """Which users and roles may talk: the channel's pair if it writes either list, else the guild's.

    ``None`` means "not restricted by this list"; an empty list admits nobody.
    """
    if channel is not None and (channel.users is not None or channel.roles is not None):
        return channel.users, channel.roles
    return (guild.users, guild.roles) if guild is not None else (None, None)


def clean(raw: Mapping[str, Any] | None) -> dict[str, Any]:
    """A section without the keys that say nothing (null)."""
    return {name: value for name, value in (raw or {}).items() if value is not None}


def _overlay(base: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """``entry`` over ``"*"``, key by key (decision 6).

    Two pairs move together, never half: ``users`` with ``roles``, ``enabled`` with its old name ``allow``.
    """
    merged = dict(base)
    for pair in (("users", "roles"), ("enabled", "allow")):
        if any(name in entry for name in pair):
            for name in pair:
                merged.pop(name, None)
    return {**merged, **entry}
