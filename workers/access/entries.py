"""Allow-list entries: what an operator writes to name a user (``spec/inbound.md`` 3.2, 3.4).

Three rules run through everything here. A list that is absent and a list that is empty are
different: absent asks nobody, empty admits nobody (decision 1). Names are weak: they count
only where ``dangerouslyAllowNameMatching`` says so, and display names of Discord never. And a
group admits, but it never makes an owner: :meth:`AllowList.specific` leaves groups out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shoal.discord.users import user_id_of
from workers.access.slugs import name_slug

__all__ = ["GROUP_PREFIX", "AllowList", "AudienceGroup", "Group", "Match", "SendersGroup", "read_groups"]

GROUP_PREFIX = "accessGroup:"

_PREFIXES = ("discord:user:", "discord:", "user:")
_OTHER_LISTS = ("role:", "channel:", "guild:")
"""Prefixes that have a meaning in other lists; here they name nobody."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which entry let somebody in, for logs and for the owner hint."""

    key: str
    source: Literal["wildcard", "id", "name", "tag", "group", "role", "pairing"]


@dataclass(frozen=True, slots=True)
class SendersGroup:
    """``message.senders``: a fixed list. ``*`` in it names nobody: a group never opens a list to everyone."""

    name: str
    members: AllowList


@dataclass(frozen=True, slots=True)
class AudienceGroup:
    """``discord.channelAudience``: whoever can see the channel now."""

    name: str
    guild_id: str
    channel_id: str


Group = SendersGroup | AudienceGroup


@dataclass(frozen=True, slots=True)
class AllowList:
    """A parsed list of users. Make it with :meth:`parse`; ``None`` stands for "no list written".

    Attributes:
        ids: Discord user ids, and ``pk:<id>`` of PluralKit members.
        names: slugs of names and tags.
        groups: the access groups it names, as far as they exist.
        guild_ids: of ``guild:<id>`` entries, where the list is one that knows them.
    """

    wildcard: bool = False
    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ()
    guild_ids: frozenset[str] = frozenset()

    @classmethod
    def parse(
        cls,
        entries: Iterable[str | int] | None,
        groups: Mapping[str, Group] | None = None,
        *,
        users: Mapping[str, str] | None = None,
        guilds: bool = False,
    ) -> AllowList | None:
        """Read a list as written; ``None`` where there is none.

        Args:
            groups: access groups by name; an entry that names another one admits nobody.
            users: names that were found to mean a user id, which stands in their place.
            guilds: the list knows ``guild:<id>`` (``commands.allowFrom``).
        """
        if entries is None:
            return None
        made = _Reading()
        for raw in entries:
            entry = str(raw).strip()
            made.read((users or {}).get(entry, entry), groups or {}, guilds=guilds)
        return cls(
            made.wildcard,
            frozenset(made.ids),
            frozenset(made.names),
            tuple(made.groups),
            frozenset(made.guild_ids),
        )

    @property
    def empty(self) -> bool:
        """It admits nobody."""
        return not (self.wildcard or self.ids or self.names or self.groups or self.guild_ids)

    def match(
        self, user_id: str, *, username: str = "", tag: str = "", by_name: bool = False
    ) -> Match | None:
        """The first entry that fits, in the order wildcard, id, username, tag, fixed group; or ``None``.

        Audience groups are asked apart (:func:`workers.access.senders.admit`): they need facts.
        """
        if self.wildcard:
            return Match("*", "wildcard")
        if user_id and user_id in self.ids:
            return Match(user_id, "id")
        if by_name and self.names:
            if (slug := name_slug(username)) in self.names:
                return Match(slug, "name")
            if (slug := name_slug(tag)) in self.names:
                return Match(slug, "tag")
        for group in self.groups:
            if isinstance(group, SendersGroup) and group.members.match(
                user_id, username=username, tag=tag, by_name=by_name
            ):
                return Match(GROUP_PREFIX + group.name, "group")
        return None

    def specific(self) -> AllowList:
        """The same list without its wildcard and groups: neither ever makes an owner."""
        return AllowList(ids=self.ids, names=self.names)

    def without_wildcard(self) -> AllowList:
        """The same list without its wildcard."""
        return AllowList(False, self.ids, self.names, self.groups, self.guild_ids)


@dataclass(slots=True)
class _Reading:
    """A list while it is read."""

    wildcard: bool = False
    ids: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    groups: list[Group] = field(default_factory=list)
    guild_ids: set[str] = field(default_factory=set)

    def read(self, entry: str, groups: Mapping[str, Group], *, guilds: bool) -> None:
        if entry == "*":
            self.wildcard = True
        elif entry.startswith(GROUP_PREFIX):
            group = groups.get(entry.removeprefix(GROUP_PREFIX).strip())
            if group is not None and group not in self.groups:
                self.groups.append(group)
        elif user := user_id_of(entry):
            self.ids.add(user)
        elif entry.startswith("pk:"):
            self.ids.add(entry)
        elif prefix := next((known for known in _PREFIXES if entry.startswith(known)), None):
            self.ids.add(entry[len(prefix) :])
        elif entry.startswith(_OTHER_LISTS):
            if guilds and entry.startswith("guild:"):
                self.guild_ids.add(entry.removeprefix("guild:").strip())
        elif slug := name_slug(entry.removeprefix("@")):
            self.names.add(slug)


def read_groups(raw: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Group]:
    """The access groups of a config that can have members on Discord (``spec/inbound.md`` 3.4).

    An unknown type, another membership than ``canViewChannel`` and a group without its ids have no members,
    so they are not here. Groups in groups are not followed.
    """
    found: dict[str, Group] = {}
    for name, group in (raw or {}).items():
        if group.get("type") == "message.senders":
            written = group.get("members") or {}
            members = AllowList.parse([*(written.get("*") or ()), *(written.get("discord") or ())])
            if members is not None:
                found[name] = SendersGroup(name, AllowList(ids=members.ids, names=members.names))
        elif group.get("type") == "discord.channelAudience":
            guild_id, channel_id = str(group.get("guildId") or ""), str(group.get("channelId") or "")
            if guild_id and channel_id and (group.get("membership") or "canViewChannel") == "canViewChannel":
                found[name] = AudienceGroup(name, guild_id, channel_id)
    return found
