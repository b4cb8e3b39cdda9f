"""Commands, approvals, bots and programs: who can make the agent do more than talk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.audit.guilds import places
from config.loaded import Loaded
from config.schema.discord import DiscordConfig
from config.schema.guilds import ChannelEntry, GuildEntry
from shoal.base.findings import Finding

__all__ = ["look"]


def look(loaded: Loaded, paired: Mapping[str, int]) -> Iterator[Finding]:  # noqa: ARG001 - one signature
    """Findings of every enabled account, and about programs."""
    for account, settings in loaded.discord_settings.items():
        if settings.enabled:
            yield from _native(loaded, account, settings)
            yield from _bots(account, settings)
            yield from _approvals(account, settings)
    yield from _exec(loaded)


def _native(loaded: Loaded, account: str, settings: DiscordConfig) -> Iterator[Finding]:
    """Slash commands nobody is kept from, or nobody is let to (``spec/inbound.md`` 1.11)."""
    commands = loaded.root.commands
    native = settings.commands.native if settings.commands.native is not None else commands.native
    listed = any(
        (guild.users if channel is None else channel.users) is not None
        for _, guild, channel in places(settings)
    )
    if native is False or settings.group_policy == "disabled" or not settings.guilds or listed:
        return
    if commands.use_access_groups is False:
        yield Finding(
            "native-commands-unrestricted",
            "critical",
            f"Everybody in the servers of account {account} may use slash commands: "
            "commands.useAccessGroups is false and no list of users is written.",
            "Remove commands.useAccessGroups: false, or write users for the servers.",
            f"account {account}",
        )
    elif not commands.owner_allow_from and not settings.allow_from:
        yield Finding(
            "native-commands-without-list",
            "warn",
            f"Nobody in the servers of account {account} may use slash commands: there is neither an owner "
            "nor a list of users.",
            'Write commands.ownerAllowFrom: ["discord:<user id>"], or users for the servers.',
            f"account {account}",
        )


def _bots(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    """``allowBots: true`` where neither a mention nor a list holds other bots back (decision 14)."""
    if settings.allow_bots is not True:
        return
    free = [
        path
        for path, guild, channel in places(settings)
        if _needs_no_mention(guild, channel) and not _has_list(guild, channel)
    ]
    if free:
        yield Finding(
            "bots-unrestricted",
            "warn",
            f"Account {account} answers every bot in {', '.join(free[:5])}: allowBots is true, no mention "
            "is required and nobody is listed there. Two bots can answer each other for ever.",
            'Set allowBots: "mentions".',
            f"account {account}",
        )


def _needs_no_mention(guild: GuildEntry, channel: ChannelEntry | None) -> bool:
    for entry in (channel, guild):
        if entry is not None and entry.require_mention is not None:
            return not entry.require_mention
    return False


def _has_list(guild: GuildEntry, channel: ChannelEntry | None) -> bool:
    """The channel's pair of lists counts if it writes either, else the guild's."""
    if channel is not None and (channel.users is not None or channel.roles is not None):
        return True
    return guild.users is not None or guild.roles is not None


def _approvals(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    approvals = settings.exec_approvals
    if approvals.enabled is not False and approvals.target in ("channel", "both"):
        yield Finding(
            "approvals-in-channel",
            "warn",
            f"Account {account} posts approvals into the channel (execApprovals.target is "
            f"{approvals.target}): everybody there reads the command.",
            'Set execApprovals.target: "dm".',
            f"account {account}",
        )


def _exec(loaded: Loaded) -> Iterator[Finding]:
    """Anything looser than deny is named (decision 50)."""
    agents: dict[tuple[str | None, str | None, str | None], list[str]] = {}
    for name, agent in loaded.agents.items():
        tool = agent.exec
        if (tool.mode or tool.security or "deny") != "deny":
            agents.setdefault((tool.mode, tool.security, tool.ask), []).append(name)
    for (mode, security, ask), names in agents.items():
        unasked = (mode or security) in ("full", "auto") and ask in (None, "off")
        yield Finding(
            "exec-mode",
            "critical" if unasked else "warn",
            f"Agents may run programs: {', '.join(names)} ({_said(mode, security, ask)}).",
            'Remove mode and security of tools.exec (the default is "deny") unless that is meant.',
            "tools.exec",
        )


def _said(mode: str | None, security: str | None, ask: str | None) -> str:
    pairs = (("mode", mode), ("security", security), ("ask", ask))
    return ", ".join(f"{name} {value}" for name, value in pairs if value)
