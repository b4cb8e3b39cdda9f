"""Servers: what is open, what is closed without being meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.loaded import Loaded
from config.schema.discord import DiscordConfig
from config.schema.guilds import ChannelEntry, GuildEntry
from shoal.base.findings import Finding

__all__ = ["look", "places"]


def look(loaded: Loaded, paired: Mapping[str, int]) -> Iterator[Finding]:  # noqa: ARG001 - one signature
    """Findings of every enabled account."""
    for account, settings in loaded.discord_settings.items():
        if settings.enabled:
            yield from _policy(account, settings)
            yield from _channels(account, settings)
            yield from _keys(account, settings)


def places(settings: DiscordConfig) -> Iterator[tuple[str, GuildEntry, ChannelEntry | None]]:
    """Every guild and every channel entry: path, guild, channel (None for the guild itself)."""
    for guild_key, guild in (settings.guilds or {}).items():
        yield f'guilds["{guild_key}"]', guild, None
        for channel_key, channel in (guild.channels or {}).items():
            yield f'guilds["{guild_key}"].channels["{channel_key}"]', guild, channel


def _policy(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    where, written = f"account {account}", settings.guilds or {}
    if settings.group_policy == "open":
        yield Finding(
            "group-policy-open",
            "warn",
            f"Account {account} answers in every server it is invited to (groupPolicy open).",
            'Set groupPolicy: "allowlist" and list the servers under guilds.',
            where,
        )
        if written and "*" not in written:
            yield Finding(
                "group-policy-mixture",
                "info",
                f"Account {account} lists {len(written)} servers under groupPolicy open: the others are open "
                "too, with the defaults (mention required).",
                'Set groupPolicy: "allowlist" if only the listed servers are meant.',
                where,
            )
    if settings.group_policy == "allowlist" and not written:
        yield Finding(
            "no-guild-listed",
            "warn",
            f"Account {account} answers in no server: groupPolicy is allowlist and guilds lists none.",
            'Add guilds: { "<server id>": {} }, or set groupPolicy: "disabled" if that is meant.',
            where,
        )
    if settings.group_policy == "disabled" and written:
        yield Finding(
            "guilds-without-effect",
            "warn",
            f"Account {account} lists servers, but groupPolicy is disabled: it answers in none.",
            'Set groupPolicy: "allowlist".',
            where,
        )


def _channels(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    if settings.group_policy == "disabled":
        return
    for key, guild in (settings.guilds or {}).items():
        where = f'account {account}, guilds["{key}"]'
        if guild.channels == {}:
            yield Finding(
                "channel-map-empty",
                "warn",
                f'guilds["{key}"].channels is empty, so no channel of that server is answered.',
                "Leave channels out to allow all of them, or list some.",
                where,
            )
        elif guild.channels and "*" not in guild.channels:
            yield Finding(
                "channel-map-closes",
                "info",
                f'guilds["{key}"] answers in {len(guild.channels)} listed channels only.',
                'Add an entry "*" for the others if they are meant too.',
                where,
            )
    for path, guild, channel in places(settings):
        entry = guild if channel is None else channel
        if (entry.users == [] and not entry.roles) or (entry.roles == [] and not entry.users):
            yield Finding(
                "sender-list-empty",
                "warn",
                f"{path} has an empty list of users or roles, which admits nobody.",
                "Leave the list out to let everybody in, or name somebody.",
                f"account {account}, {path}",
            )


def _keys(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    """Names instead of ids work, but nobody can check permissions by name before the bot is connected."""
    found = []
    for key, guild in (settings.guilds or {}).items():
        found += [key] if key != "*" and not key.isdigit() else []
        found += [f"{key}/{name}" for name in guild.channels or {} if name != "*" and not name.isdigit()]
    if found:
        shown = ", ".join(repr(name) for name in found[:5])
        yield Finding(
            "places-by-name",
            "info",
            f"Account {account} names {len(found)} servers or channels by name ({shown}): that works, but "
            "permissions of such a channel cannot be checked, and renaming it changes who is answered.",
            "Use ids (Developer Mode → right-click → Copy ID).",
            f"account {account}",
        )
