"""The access part of an account's config, compiled once for many messages.

Input is the account's effective ``channels.discord`` section as a mapping with the keys of
the file (``dmPolicy``, ``guilds``, …), so that the words here are the words of the manuals.
Precedence between account and root is resolved by ``config`` before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workers.access.entries import AllowList

__all__ = ["AccessSettings", "ChannelEntry", "DmPolicy", "GroupPolicy", "GuildEntry", "owner_ids", "role_ids"]

DmPolicy = Literal["pairing", "allowlist", "open", "disabled"]
GroupPolicy = Literal["open", "allowlist", "disabled"]


def role_ids(entries: Iterable[str | int] | None) -> frozenset[str] | None:
    """Role ids of a list; ``role:<id>`` and ``<@&id>`` count, names do not. ``None`` for no list."""
    if entries is None:
        return None
    found = set()
    for raw in entries:
        entry = str(raw).strip().removeprefix("role:")
        if entry.startswith("<@&") and entry.endswith(">"):
            entry = entry[3:-1]
        if entry == "*" or entry.isdigit():
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
    users: AllowList | None = None
    roles: frozenset[str] | None = None

    @classmethod
    def read(cls, key: str, raw: Mapping[str, Any]) -> ChannelEntry:
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
            users=AllowList.parse(raw.get("users")),
            roles=role_ids(raw.get("roles")),
        )


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
    channels: Mapping[str, ChannelEntry] | None = None

    @classmethod
    def read(cls, key: str, raw: Mapping[str, Any]) -> GuildEntry:
        """Compile one entry with its channels."""
        written = raw.get("channels")
        channels = None
        if written is not None:
            base = _clean(written.get("*"))
            channels = {
                name: ChannelEntry.read(name, entry if name == "*" else _overlay(base, _clean(entry)))
                for name, entry in ((name, _clean(entry)) for name, entry in written.items())
            }
        return cls(
            key=key,
            slug=str(raw.get("slug") or ""),
            require_mention=raw.get("requireMention"),
            ignore_other_mentions=raw.get("ignoreOtherMentions"),
            wake_on_mass_mentions=raw.get("wakeOnMassMentions"),
            users=AllowList.parse(raw.get("users")),
            roles=role_ids(raw.get("roles")),
            channels=channels,
        )


def _clean(raw: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (raw or {}).items() if value is not None}


def _overlay(base: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """``entry`` over ``"*"``, key by key (``spec/decisions.md`` 6).

    Two pairs move together, never half: ``users`` with ``roles``, ``enabled`` with its old name ``allow``.
    """
    merged = dict(base)
    for pair in (("users", "roles"), ("enabled", "allow")):
        if any(name in entry for name in pair):
            for name in pair:
                merged.pop(name, None)
    return {**merged, **entry}


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Everything access asks of an account's config."""

    account: str
    dm_enabled: bool = True
    dm_policy: DmPolicy = "pairing"
    allow_from: AllowList | None = None
    group_dm_enabled: bool = False
    group_dm_channels: tuple[str, ...] | None = None
    group_policy: GroupPolicy = "allowlist"
    guilds: Mapping[str, GuildEntry] | None = None
    allow_bots: bool | Literal["mentions"] = False
    by_name: bool = False
    wake_on_mass_mentions: bool = False
    owners: AllowList | None = None
    owned: bool = False
    """``commands.ownerAllowFrom`` names somebody, be it on another channel."""
    use_access_groups: bool = True
    text_commands: bool = True

    @classmethod
    def read(
        cls, account: str, discord: Mapping[str, Any], commands: Mapping[str, Any] | None = None
    ) -> AccessSettings:
        """Compile the settings of ``account``.

        Args:
            account: account id.
            discord: the effective ``channels.discord`` section, file keys, absent keys absent or ``None``.
            commands: the root section ``commands``.
        """
        section = _clean(discord)
        dm = _clean(section.get("dm"))
        commands = _clean(commands)
        guilds = section.get("guilds")
        owners = commands.get("ownerAllowFrom")
        return cls(
            account=account,
            dm_enabled=dm.get("enabled") is not False,
            dm_policy=section.get("dmPolicy") or dm.get("policy") or "pairing",
            allow_from=AllowList.parse(_first(section.get("allowFrom"), dm.get("allowFrom"))),
            group_dm_enabled=dm.get("groupEnabled") is True,
            group_dm_channels=_texts(dm.get("groupChannels")),
            group_policy=section.get("groupPolicy") or "allowlist",
            guilds=None
            if guilds is None
            else {key: GuildEntry.read(key, _clean(entry)) for key, entry in guilds.items()},
            allow_bots=section.get("allowBots") or False,
            by_name=section.get("dangerouslyAllowNameMatching") is True,
            wake_on_mass_mentions=section.get("wakeOnMassMentions") is True,
            owners=AllowList.parse(_owner_entries(owners)),
            owned=bool(owners),
            use_access_groups=commands.get("useAccessGroups") is not False,
            text_commands=commands.get("text") is not False,
        )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _texts(values: Iterable[Any] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(str(value) for value in values)


def _owner_entries(entries: Iterable[Any] | None) -> list[str] | None:
    """Owner entries for Discord: those that carry another channel's prefix are not ours."""
    if entries is None:
        return None
    kept = []
    for raw in entries:
        entry = str(raw).strip()
        prefix, colon, _ = entry.partition(":")
        if colon and not entry.startswith("<") and prefix not in ("discord", "user", "pk"):
            continue
        kept.append(entry)
    return kept


def owner_ids(entries: Iterable[Any] | None) -> list[str]:
    """User ids of an owner list, in the order written: whom a message for the owner can reach."""
    listed = (AllowList.parse([entry]) for entry in _owner_entries(entries) or ())
    return [name for one in listed if one is not None for name in one.ids if name.isdigit()]
