"""Names in the config and what they mean now: pinned to ids, so that a new name changes nothing (3.13).

A key like ``my-server`` or ``#help`` is found by what the guild or channel is called at the moment. Once
somebody asked Discord what it names, it is *pinned*: it means that id, whatever is renamed later, and a
stranger's guild that takes the name does not come in by it. A pin never brings an entry into force that
is not written, and an entry that is written by id stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shoal.discord.users import user_id_of

__all__ = ["NO_NAMES", "Names", "Wanted", "emoji_name", "wanted_names"]

_EMOJI_NAME = re.compile(r"(:?)([A-Za-z0-9_]{2,32})\1")


class Names(msgspec.Struct, frozen=True, omit_defaults=True):
    """What names were found to mean. Written by the task ``upkeep.names``, read when settings are compiled.

    Attributes:
        revision: of the config whose names they are.
        at_ms: when they were looked up (Redis' clock).
        guilds: key of ``guilds`` → guild id.
        channels: key of ``guilds`` → key of its ``channels`` → channel id.
        users: entry of a list of users → user id; only with ``dangerouslyAllowNameMatching``.
        emojis: name of a custom emoji → guild that has it → its id.
        unresolved: what names nothing or several things, with the reason.
    """

    revision: str = ""
    at_ms: int = 0
    guilds: dict[str, str] = {}
    channels: dict[str, dict[str, str]] = {}
    users: dict[str, str] = {}
    unresolved: dict[str, str] = {}
    emojis: dict[str, dict[str, str]] = {}

    def same_as(self, other: Names) -> bool:
        """Whether both say the same, whenever they were made."""
        mine, theirs = ((one.guilds, one.channels, one.users, one.emojis) for one in (self, other))
        return mine == theirs

    @property
    def summary(self) -> str:
        """One line for the log: what became of every name."""
        found = [f"{key}→{guild}" for key, guild in self.guilds.items() if key != guild]
        found += [
            f"{guild}/{key}→{channel}"
            for guild, channels in self.channels.items()
            for key, channel in channels.items()
        ]
        found += [f"{entry}→{user}" for entry, user in self.users.items()]
        found += [f":{name}:→{', '.join(ids.values())}" for name, ids in self.emojis.items()]
        lost = [f"{entry} ({why})" for entry, why in self.unresolved.items()]
        return f"{', '.join(found) or 'none'}; unresolved: {', '.join(lost) or 'none'}"


NO_NAMES = Names()


class Wanted(msgspec.Struct, frozen=True):
    """The names a section holds. ``guilds`` are all keys, ids too; ``channels`` are names only."""

    guilds: tuple[str, ...] = ()
    channels: dict[str, tuple[str, ...]] = {}
    users: tuple[str, ...] = ()
    emojis: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.guilds or self.users or self.emojis)


def emoji_name(written: str) -> str:
    """The name of a custom emoji that is written without its id, ``blob`` or ``:blob:``; else empty."""
    found = _EMOJI_NAME.fullmatch(written.strip())
    return found.group(2) if found is not None else ""


def wanted_names(section: Mapping[str, Any], emojis: Iterable[str] = ()) -> Wanted:
    """Which names of an account's section can be looked up.

    Args:
        emojis: as they are written for acknowledgements; those that are names of custom ones count.
    """
    guilds = {key: entry or {} for key, entry in (section.get("guilds") or {}).items() if key != "*"}
    channels = {
        key: tuple(name for name in (entry.get("channels") or {}) if name != "*" and not name.isdigit())
        for key, entry in guilds.items()
    }
    users: dict[str, None] = {}
    if section.get("dangerouslyAllowNameMatching") is True:
        lists = [section.get("allowFrom"), (section.get("dm") or {}).get("allowFrom")]
        for entry in (section.get("guilds") or {}).values():
            lists += [(entry or {}).get("users")]
            lists += [
                (channel or {}).get("users") for channel in ((entry or {}).get("channels") or {}).values()
            ]
        for listed in lists:
            users |= dict.fromkeys(_names_of(listed or ()))
    return Wanted(
        tuple(guilds),
        {key: names for key, names in channels.items() if names},
        tuple(users),
        tuple(dict.fromkeys(filter(None, map(emoji_name, emojis)))),
    )


def _names_of(entries: Iterable[Any]) -> Iterable[str]:
    for raw in entries:
        entry = str(raw).strip()
        if entry and entry != "*" and ":" not in entry and user_id_of(entry) is None:
            yield entry
