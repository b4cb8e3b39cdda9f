"""What loads but cannot do what its writer meant: looked for across sections, told as warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.places import show_path
from config.schema.bindings import SendersGroup
from config.schema.discord import DiscordConfig
from config.schema.root import Root
from shoal.base.errors import ConfigIssue

__all__ = ["cross_checks"]

_GROUP = "accessGroup:"


def cross_checks(root: Root, accounts: Mapping[str, DiscordConfig]) -> list[ConfigIssue]:
    """Warnings about references that lead nowhere."""
    found: dict[str, ConfigIssue] = {}
    known = ", ".join(sorted(root.access_groups)) or "none"
    for account_id, settings in accounts.items():
        for where, entry in _listed(settings):
            name = entry.removeprefix(_GROUP).strip()
            if entry.startswith(_GROUP) and name not in root.access_groups:
                found.setdefault(
                    name,
                    ConfigIssue(
                        where,
                        f"account {account_id!r} lets in a group that does not exist, so nobody is in it",
                        found=repr(entry),
                        allowed=f"accessGroup:<name> of accessGroups ({known})",
                    ),
                )
    for name, group in root.access_groups.items():
        if group.type not in {"message.senders", "discord.channelAudience"}:
            path = show_path(("accessGroups", name, "type"))
            found[path] = ConfigIssue(
                path,
                "groups of this kind are not known, so nobody is in it",
                found=repr(group.type),
                allowed='"message.senders" or "discord.channelAudience"',
            )
        if isinstance(group, SendersGroup) and "*" in group.for_discord():
            path = show_path(("accessGroups", name, "members"))
            found[path] = ConfigIssue(
                path,
                "* in a group names nobody; a group never opens a list to everyone",
                hint='write "*" into the list itself',
            )
    return list(found.values())


def _listed(settings: DiscordConfig) -> Iterator[tuple[str, str]]:
    """Every entry of a list of users, with the list it stands in."""
    path = ("channels", "discord")
    for entry in settings.allow_from or ():
        yield show_path((*path, "allowFrom")), entry
    for guild_key, guild in (settings.guilds or {}).items():
        here = (*path, "guilds", guild_key)
        for entry in guild.users or ():
            yield show_path((*here, "users")), entry
        for channel_key, channel in (guild.channels or {}).items():
            for entry in channel.users or ():
                yield show_path((*here, "channels", channel_key, "users")), entry
