"""Entries that name people by name: dead letters, or a door for whoever takes that name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from config.audit.guilds import places
from config.loaded import Loaded
from config.schema.discord import DiscordConfig
from shoal.base.findings import Finding

__all__ = ["look"]

_BY_ID = re.compile(r"\*|<@!?\d{1,20}>|(?:discord:)?(?:user:)?\d{1,20}|pk:\S+|accessGroup:.+", re.ASCII)
_ROLE_BY_ID = re.compile(r"\*|(?:role:)?\d{1,20}|<@&\d{1,20}>", re.ASCII)
_SHOWN = 5


def look(loaded: Loaded, paired: Mapping[str, int]) -> Iterator[Finding]:  # noqa: ARG001 - one signature
    """Findings of every enabled account, and of the owner list."""
    for account, settings in loaded.discord_settings.items():
        if not settings.enabled:
            continue
        yield from _people(account, settings)
        yield from _roles(account, settings)
        if settings.dangerously_allow_name_matching:
            yield Finding(
                "name-matching-on",
                "warn",
                f"Account {account} lets people in by their name (dangerouslyAllowNameMatching): whoever "
                "takes that name is let in too.",
                "Use ids and remove dangerouslyAllowNameMatching.",
                f"account {account}",
            )
    owners = _odd(loaded.root.commands.owner_allow_from or (), foreign=True)
    if owners:
        yield Finding(
            "owner-by-name",
            "warn",
            f"commands.ownerAllowFrom has entries that are no ids: {_list(owners)}.",
            'Write "discord:<user id>".',
            "commands.ownerAllowFrom",
        )
    if "*" in (loaded.root.commands.owner_allow_from or ()):
        yield Finding(
            "owner-wildcard",
            "warn",
            'commands.ownerAllowFrom holds "*", which makes nobody an owner.',
            'Write "discord:<user id>" for each owner.',
            "commands.ownerAllowFrom",
        )


def _people(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    lists = {"allowFrom": settings.allow_from or []}
    for path, guild, channel in places(settings):
        lists[f"{path}.users"] = (guild.users if channel is None else channel.users) or []
    named = {path: odd for path, entries in lists.items() if (odd := _odd(entries))}
    if not named:
        return
    examples = [entry for odd in named.values() for entry in odd]
    by_name = settings.dangerously_allow_name_matching
    yield Finding(
        "name-entries",
        "info" if by_name else "warn",
        f"Account {account} names people by name in {', '.join(list(named)[:_SHOWN])}: {_list(examples)}. "
        + ("Anybody may take such a name." if by_name else "These entries let nobody in."),
        "Use user ids (Developer Mode → right-click the person → Copy User ID).",
        f"account {account}",
    )


def _roles(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    for path, guild, channel in places(settings):
        entries = (guild.roles if channel is None else channel.roles) or []
        odd = [entry for entry in entries if not _ROLE_BY_ID.fullmatch(entry.strip())]
        if odd:
            yield Finding(
                "role-names",
                "warn",
                f"{path}.roles takes role ids only; these entries let nobody in: {_list(odd)}.",
                "Use role ids (Server Settings → Roles → right-click → Copy Role ID).",
                f"account {account}",
            )


def _odd(entries: Iterable[str], *, foreign: bool = False) -> list[str]:
    """Entries that are no ids; ``foreign``: those with another channel's prefix are fine."""
    odd = [entry for entry in entries if entry.strip() and not _BY_ID.fullmatch(entry.strip())]
    return [entry for entry in odd if not (foreign and re.match(r"[a-z]+:", entry))]


def _list(entries: list[str]) -> str:
    shown = ", ".join(repr(entry[:40]) for entry in entries[:_SHOWN])
    return shown + (f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else "")
