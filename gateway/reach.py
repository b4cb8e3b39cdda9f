"""Which channels the settings could let anybody speak in: where the back-fill looks (R19).

This is no access check. Who may talk is decided by admission, in the workers, which this
package must not import; here only those places are left out in which nobody at all can be
heard. In doubt a place is in: it costs one request, while leaving one out costs messages.
So names are compared generously, ``users``, ``roles`` and mentions are not looked at, and a
guild list that names guilds by name counts for every guild whose name cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from config.schema.discord import DiscordConfig
from config.schema.guilds import ChannelEntry, GuildEntry

__all__ = ["Reach"]

Fact = Mapping[str, Any]

READABLE = frozenset({0, 2, 5, 10, 11, 12, 13})
"""Channel types that hold messages: text, voice, announcements, threads, stages. A forum holds threads."""


class Reach:
    """The places of one account, as far as its settings tell."""

    def __init__(self, discord: DiscordConfig, *, role_bindings: bool = False) -> None:
        self._policy = discord.group_policy
        self._guilds = discord.guilds or {}
        self._dm = discord.dm.enabled and discord.dm_policy != "disabled"
        self._role_bindings = role_bindings
        self.direct = self._dm or discord.dm.group_enabled
        """Whether anybody could be heard outside guilds."""

    def guild(self, guild_id: str, name: str) -> bool:
        """Whether anything of a guild could be heard."""
        if self._policy == "disabled":
            return False
        return self._policy == "open" or bool(self._entries(guild_id, name))

    def channel(self, guild_id: str, name: str, channel: Fact, parent: Fact | None) -> bool:
        """Whether a channel or thread of a guild could be heard; ``parent`` is that of a thread."""
        if not self.guild(guild_id, name) or channel.get("type") not in READABLE:
            return False
        entries = self._entries(guild_id, name)
        return not entries or any(_channel(entry, channel, parent) for entry in entries)

    def needs_roles(self, guild_id: str, name: str) -> bool:
        """Whether roles of an author can make a difference there."""
        entries = self._entries(guild_id, name)
        return self._role_bindings or any(
            entry.roles is not None or any(one.roles is not None for one in (entry.channels or {}).values())
            for entry in entries
        )

    def _entries(self, guild_id: str, name: str) -> list[GuildEntry]:
        """Every entry that could be the one of this guild."""
        if guild_id in self._guilds:
            return [self._guilds[guild_id]]
        named = [
            entry
            for key, entry in self._guilds.items()
            if not key.isdigit() and key != "*" and _like(key, name)
        ]
        return named + ([self._guilds["*"]] if "*" in self._guilds else [])


def _channel(entry: GuildEntry, channel: Fact, parent: Fact | None) -> bool:
    if entry.channels is None:
        return True
    places = [channel] if parent is None else [channel, parent]
    fits = list(_fitting(entry.channels, places))
    return any(one.enabled is not False for one in fits)


def _fitting(channels: Mapping[str, ChannelEntry], places: Iterable[Fact]) -> Iterable[ChannelEntry]:
    for place in places:
        if (exact := channels.get(str(place.get("id")))) is not None:
            yield exact
            return  # an id leaves no doubt
    for key, entry in channels.items():
        if key == "*" or any(_like(key, str(place.get("name") or "")) for place in places):
            yield entry


def _like(key: str, name: str) -> bool:
    """Whether a key could be this name's: equal letters and digits, of all scripts or of ASCII."""
    if not name:
        return True
    wanted, found = _letters(key), _letters(name)
    return wanted == found or _ascii(wanted) == _ascii(found) != ""


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _ascii(text: str) -> str:
    return "".join(char for char in text if char.isascii())
