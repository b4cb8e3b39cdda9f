"""The access part of an account's config, compiled once for many messages.

Input is the account's effective ``channels.discord`` section as a mapping with the keys of
the file (``dmPolicy``, ``guilds``, …), so that the words here are the words of the manuals.
Precedence between account and root is resolved by ``config`` before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from config.schema.discord import DmPolicy, GroupPolicy
from workers.access.entries import AllowList, read_groups
from workers.access.guilds import Guilds, clean
from workers.access.limits import UserLimits
from workers.access.loops import LoopGuard
from workers.access.names import NO_NAMES, Names
from workers.access.patterns import MentionPatterns

__all__ = ["AccessSettings"]


_OURS = ("discord", "user", "pk")
"""Prefixes of owner entries that can be Discord's; others are of other channels."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Everything access asks of an account's config.

    Attributes:
        siblings: user ids of the fleet's other bots; they are bots whatever an event says.
        command_list: ``commands.allowFrom`` for Discord; where it is written it alone decides.
        owned: ``commands.ownerAllowFrom`` names somebody, be it on another channel.
        owner_commands: ``enforceOwnerForCommands``: only owners' commands count.
    """

    account: str
    dm_enabled: bool = True
    dm_policy: DmPolicy = "pairing"
    allow_from: AllowList | None = None
    group_dm_enabled: bool = False
    group_dm_channels: tuple[str, ...] | None = None
    group_policy: GroupPolicy = "allowlist"
    guilds: Guilds = field(default_factory=Guilds)
    allow_bots: bool | Literal["mentions"] = False
    loop_guard: LoopGuard = field(default_factory=LoopGuard)
    siblings: frozenset[str] = frozenset()
    pluralkit: bool = False
    by_name: bool = False
    wake_on_mass_mentions: bool = False
    mention_patterns: MentionPatterns = field(default_factory=MentionPatterns)
    limits: UserLimits = field(default_factory=UserLimits)
    owners: AllowList | None = None
    owned: bool = False
    command_list: AllowList | None = None
    owner_commands: bool = False
    use_access_groups: bool = True
    text_commands: bool = True

    @classmethod
    def read(
        cls,
        account: str,
        discord: Mapping[str, Any],
        commands: Mapping[str, Any] | None = None,
        *,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
        names: Names = NO_NAMES,
        patterns: MentionPatterns | None = None,
        siblings: Iterable[str] = (),
    ) -> AccessSettings:
        """Compile the settings of ``account``.

        Args:
            account: account id.
            discord: the effective ``channels.discord`` section, file keys, absent keys absent or ``None``.
            commands: the root section ``commands``.
            groups: the root section ``accessGroups``.
            names: what names in the section were found to mean.
            patterns: mention patterns of the agents.
            siblings: user ids of the fleet's other bots.
        """
        section, commands = clean(discord), clean(commands)
        dm, own_commands = clean(section.get("dm")), clean(section.get("commands"))
        known = read_groups(groups)
        allow_bots = section.get("allowBots") or False
        return cls(
            account=account,
            dm_enabled=dm.get("enabled") is not False,
            dm_policy=section.get("dmPolicy") or dm.get("policy") or "pairing",
            allow_from=AllowList.parse(
                _first(section.get("allowFrom"), dm.get("allowFrom")), known, users=names.users
            ),
            group_dm_enabled=dm.get("groupEnabled") is True,
            group_dm_channels=_texts(dm.get("groupChannels")),
            group_policy=section.get("groupPolicy") or "allowlist",
            guilds=Guilds.read(section.get("guilds"), known, names),
            allow_bots=allow_bots,
            loop_guard=LoopGuard.read(section.get("botLoopProtection"), allow_bots=bool(allow_bots)),
            siblings=frozenset(siblings),
            pluralkit=clean(section.get("pluralkit")).get("enabled") is True,
            by_name=section.get("dangerouslyAllowNameMatching") is True,
            wake_on_mass_mentions=section.get("wakeOnMassMentions") is True,
            mention_patterns=patterns or MentionPatterns(),
            limits=UserLimits.read(section.get("userLimits")),
            owners=AllowList.parse(_owner_entries(commands.get("ownerAllowFrom"))),
            owned=bool(commands.get("ownerAllowFrom")),
            command_list=_command_list(commands.get("allowFrom")),
            owner_commands=own_commands.get("enforceOwnerForCommands") is True,
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
        if not colon or entry.startswith("<") or prefix in _OURS:
            kept.append(entry)
    return kept


def _command_list(raw: Mapping[str, Any] | None) -> AllowList | None:
    """``commands.allowFrom``: the list of ``discord``, else of ``*``; ``None`` where neither is written."""
    lists = clean(raw)
    return AllowList.parse(_first(lists.get("discord"), lists.get("*")), guilds=True)
