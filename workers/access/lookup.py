"""Finding out what names mean: guilds, channels and users, through the account's own REST calls (3.13).

For the task that pins the names of the config, and for people who want to see what an entry
becomes (``shoal channels resolve``, decision 47). A name that fits several things is not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol

from shoal.discord.users import user_id_of
from shoal.discord.wire import ChannelType, is_thread
from workers.access.names import NO_NAMES, Names, Wanted
from workers.access.slugs import key_matches

__all__ = ["Directory", "EntryKind", "Found", "find_entry", "look_up"]

Json = Mapping[str, Any]
_CHANNEL = re.compile(r"<#(\d{1,20})>")


class Directory(Protocol):
    """What Discord can be asked. Everything may raise :class:`shoal.base.errors.ShoalError`."""

    def guilds(self) -> Sequence[Json]:
        """The bot's guilds: id and name."""
        ...

    def channels(self, guild_id: str) -> Sequence[Json]:
        """Channels and active threads of a guild."""
        ...

    def channel(self, channel_id: str) -> Json | None:
        """One channel or thread; ``None`` where the bot cannot see it."""
        ...

    def members(self, guild_id: str, name: str) -> Sequence[Json]:
        """Members whose name or nick begins so."""
        ...

    def user(self, user_id: str) -> Json | None:
        """One user; ``None`` where there is none."""
        ...

    def emojis(self, guild_id: str) -> Sequence[Json]:
        """Custom emojis of a guild: id and name."""
        ...


EntryKind = Literal["auto", "user", "group"]


@dataclass(frozen=True, slots=True)
class Found:
    """What an entry became.

    Attributes:
        kind: ``guild``, ``channel``, ``thread``, ``user``; empty where nothing was found.
        note: a remark (``archived``, ``voice``), or why nothing was found.
    """

    entry: str
    kind: Literal["", "guild", "channel", "thread", "user"] = ""
    id: str = ""
    name: str = ""
    guild_id: str = ""
    guild_name: str = ""
    note: str = ""


def look_up(
    wanted: Wanted, directory: Directory, *, before: Names = NO_NAMES, revision: str = "", now_ms: int = 0
) -> Names:
    """What all names of a section mean now.

    Args:
        before: what they meant; it stays so while that is there, whatever is called so by now.

    Raises:
        ShoalError: Discord could not be asked; what was known before stays.
    """
    search = _Search(directory, before)
    guilds: dict[str, str] = {}
    channels: dict[str, dict[str, str]] = {}
    users: dict[str, str] = {}
    lost: dict[str, str] = {}
    for key in wanted.guilds:
        guild = search.guild(key)
        if not guild.id:
            lost[key] = guild.note
            continue
        guilds[key] = guild.id
        for name in wanted.channels.get(key, ()):
            channel = search.pin(guild, name)
            if channel.id:
                channels.setdefault(key, {})[name] = channel.id
            else:
                lost[f"{key}/{name}"] = channel.note
    for entry in wanted.users:
        user = Found(entry, id=before.users[entry]) if entry in before.users else search.user(entry)
        if user.id:
            users[entry] = user.id
        else:
            lost[entry] = user.note
    emojis = search.emojis(wanted.emojis)
    lost |= {
        f":{name}:": "no server of the bot has such an emoji" for name in wanted.emojis if name not in emojis
    }
    return Names(revision, now_ms, guilds, channels, users, lost, emojis)


def find_entry(entry: str, directory: Directory, kind: EntryKind = "auto") -> Found:
    """What one entry means: an id, ``@name``, ``<@id>``, ``<#id>``, ``Guild``, ``Guild/#channel``, ``#name``.

    Args:
        kind: ``user`` looks for people only, ``group`` for places only.

    Raises:
        ShoalError: Discord could not be asked.
    """
    search, text = _Search(directory), entry.strip()
    if kind == "user":
        return search.user(f"user:{text}" if text.isascii() and text.isdigit() else text)
    found = _found(search, text)
    if kind == "group" and found.kind == "user":
        return Found(text, note="this is a user, not a place")
    return found


def _found(search: _Search, text: str) -> Found:
    if text.startswith("@") or (user_id_of(text) is not None and not text.isdigit()):
        return search.user(text)
    if mention := _CHANNEL.fullmatch(text.removeprefix("channel:")):
        return search.by_id(text, mention.group(1))
    bare = text.removeprefix("channel:")
    if bare.isascii() and bare.isdigit():
        return search.by_id(text, bare)
    guild_part, slash, channel_part = text.partition("/")
    if slash:
        guild = search.guild(guild_part.strip())
        if not guild.id:
            return Found(text, note=f"guild: {guild.note}")
        found = search.channel(guild, channel_part.strip())
        return Found(text, found.kind, found.id, found.name, guild.id, guild.name, found.note)
    return search.anything(text)


MOST_GUILDS = 100
"""Guilds that are asked for their emojis."""
NO_CHANNEL = "there is no such channel, or the bot cannot see it"


class _Search:
    """One run; every list is asked for once."""

    def __init__(self, directory: Directory, before: Names = NO_NAMES) -> None:
        self._directory = directory
        self._before = before
        self._guilds = cache(lambda: [_Place.read(raw) for raw in directory.guilds()])
        self._channels = cache(lambda guild_id: [_Place.read(raw) for raw in directory.channels(guild_id)])

    def guild(self, key: str) -> Found:
        """A guild by id or name."""
        pinned = self._before.guilds.get(key)
        fits = [one for one in self._guilds() if one.id == pinned] or [
            one for one in self._guilds() if key_matches(key, id=one.id, name=one.name)
        ]
        if len(fits) == 1:
            (one,) = fits
            return Found(key, "guild", one.id, one.name, one.id, one.name)
        if key.isdigit():
            return Found(key, note="the bot is in no guild with this id")
        return Found(key, note=_several(fits) or "the bot is in no guild with this name")

    def pin(self, guild: Found, key: str) -> Found:
        """The channel a key of the config can only mean: a name that several have is left to be matched by
        name, and threads are not found by it."""
        channels = [one for one in self._listed(guild.id) if not is_thread(one.kind)]
        pinned = self._before.channels.get(guild.entry, {}).get(key)
        fits = [one for one in channels if one.id == pinned] or [one for one in channels if one.named(key)]
        if len(fits) != 1:
            return Found(key, note=_several(fits) or NO_CHANNEL)
        (one,) = fits
        return Found(key, "channel", one.id, one.name, guild.id, guild.name)

    def channel(self, guild: Found, key: str) -> Found:
        """What people mean by a channel's name: text before voice, channels before threads."""
        text = mention.group(1) if (mention := _CHANNEL.fullmatch(key)) else key
        fits = [one for one in self._listed(guild.id) if one.named(text)]
        best = min((one.rank for one in fits), default=0)
        first = [one for one in fits if one.rank == best]
        if len(first) != 1:
            return Found(key, note=_several(first) or NO_CHANNEL)
        (one,) = first
        note = one.note + (f"; {_several(fits)}" if len(fits) > 1 else "")
        return Found(key, one.word, one.id, one.name, guild.id, guild.name, note.removeprefix("; "))

    def _listed(self, guild_id: str) -> list[_Place]:
        return [one for one in self._channels(guild_id) if one.kind != ChannelType.GUILD_CATEGORY]

    def user(self, entry: str) -> Found:
        """A user by id, or by the username that exactly one member has."""
        user_id = user_id_of(entry)
        if user_id is not None:
            known = self._directory.user(user_id)
            if known is None:
                return Found(entry, note="there is no user with this id")
            return Found(entry, "user", user_id, str(known.get("username") or ""))
        name = entry.strip().removeprefix("@")
        found: dict[str, str] = {}
        for guild in self._guilds():
            for member in self._directory.members(guild.id, name.partition("#")[0]):
                user = member.get("user") or {}
                if _is_called(user, name):
                    found[str(user["id"])] = str(user.get("username"))
        if len(found) != 1:
            several = ", ".join(sorted(found))
            return Found(entry, note=f"several users: {several}" if found else "no member has this username")
        ((user_id, username),) = found.items()
        return Found(entry, "user", user_id, username)

    def emojis(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Where custom emojis of these names are; of two in one guild the first counts."""
        found: dict[str, dict[str, str]] = {}
        for guild in self._guilds()[:MOST_GUILDS] if names else ():
            for raw in self._directory.emojis(guild.id):
                name = str(raw.get("name") or "")
                if name in names and raw.get("id"):
                    found.setdefault(name, {}).setdefault(guild.id, str(raw["id"]))
        return found

    def by_id(self, entry: str, wanted: str) -> Found:
        """A bare id: a guild, else a channel or thread, else a user."""
        for guild in self._guilds():
            if guild.id == wanted:
                return Found(entry, "guild", guild.id, guild.name, guild.id, guild.name)
        raw = self._directory.channel(wanted)
        if raw is not None:
            place, guild_id = _Place.read(raw), str(raw.get("guild_id") or "")
            names = {guild.id: guild.name for guild in self._guilds()}
            return Found(
                entry, place.word, place.id, place.name, guild_id, names.get(guild_id, ""), place.note
            )
        if not entry.isdigit():
            return Found(entry, note=NO_CHANNEL)
        return self.user(entry)

    def anything(self, name: str) -> Found:
        """A guild by name, else the one channel of that name in all guilds."""
        guild = self.guild(name)
        if guild.id and not name.startswith("#"):
            return guild
        fits = []
        for one in self._guilds():
            found = self.channel(Found("", "guild", one.id, one.name), name)
            if found.id:
                fits.append(Found(name, found.kind, found.id, found.name, one.id, one.name, found.note))
        if len(fits) == 1:
            return fits[0]
        if fits:
            return Found(name, note="in several guilds: " + ", ".join(one.guild_name for one in fits))
        return Found(name, note=f"no guild and no channel is called so ({guild.note})")


@dataclass(frozen=True, slots=True)
class _Place:
    """A guild, a channel or a thread, as far as it has to be known here."""

    id: str
    name: str
    kind: int
    archived: bool

    @classmethod
    def read(cls, raw: Json) -> _Place:
        kind, state = raw.get("type"), raw.get("thread_metadata")
        return cls(
            str(raw.get("id") or ""),
            str(raw.get("name") or ""),
            kind if isinstance(kind, int) else 0,
            isinstance(state, Mapping) and state.get("archived") is True,
        )

    def named(self, text: str) -> bool:
        return key_matches(text, id=self.id, name=self.name)

    @property
    def rank(self) -> int:
        """What people mean first: text and announcements, other channels, threads, archived ones."""
        if is_thread(self.kind):
            return 3 if self.archived else 2
        return 0 if self.kind in (ChannelType.GUILD_TEXT, ChannelType.GUILD_ANNOUNCEMENT) else 1

    @property
    def word(self) -> Literal["channel", "thread"]:
        return "thread" if is_thread(self.kind) else "channel"

    @property
    def note(self) -> str:
        return "archived" if self.archived else ""


def _is_called(user: Json, name: str) -> bool:
    """By username or tag, and never by what people call themselves."""
    username, discriminator = str(user.get("username") or ""), str(user.get("discriminator") or "0")
    tag = f"{username}#{discriminator}" if discriminator.strip("0") else username
    return bool(user.get("id")) and name.lower() in (username.lower(), tag.lower())


def _several(places: Sequence[_Place]) -> str:
    return f"several are called so: {', '.join(one.id for one in places)}" if len(places) > 1 else ""
