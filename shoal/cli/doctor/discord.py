"""Discord's side: token, intents, servers, permissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient

if TYPE_CHECKING:
    from config import Account
    from config.schema.discord import DiscordConfig
    from shoal.discord.permissions import Permission
    from shoal.state.store import Store

__all__ = ["CHECKS"]

_PORTAL = "https://discord.com/developers/applications/{id}/bot"
_INTENTS = {
    "Message Content Intent": "messageContent",
    "Server Members Intent": "guildMembers",
    "Presence Intent": "presence",
}
"""As the portal calls it → as :func:`shoal.cli.channels.probe.intents_of` does."""
LOW_IDENTIFIES = 50
CHANNELS_SHOWN = 5
CLOCK_S = 30


def _token(patient: Patient) -> Iterator[Finding]:
    from shoal.discord.errors import DiscordError, Unauthorized
    from shoal.discord.transport import bot_id_of

    for account in patient.accounts:
        token = account.token.get_secret_value()
        if token.count(".") != 2 or bot_id_of(token) is None:
            yield Finding(
                "token-shape",
                "warn",
                f"The token of account {account.id} does not look like a bot token (three parts, the "
                "first one "
                "the bot's id).",
                "Copy it from Developer Portal → Bot → Reset Token; the client secret is something else.",
                f"account {account.id}",
            )
    for name, probe in patient.probes.items():
        error = probe.rest_error
        if isinstance(error, Unauthorized):
            yield Finding("token-refused", "critical", error.message, error.fix, f"account {name}")
        elif isinstance(error, DiscordError):
            yield Finding("discord-refused", "critical", error.message, error.fix, f"account {name}")


def _intents(patient: Patient) -> Iterator[Finding]:
    from shoal.cli.channels.probe import intents_of

    for account in patient.accounts:
        probe = patient.probes.get(account.id)
        application = probe.application if probe is not None else None
        if application is None or not isinstance(application.get("flags"), int):
            continue
        portal = _PORTAL.format(id=application.get("id", ""))
        wanted = {
            "Message Content Intent": ("critical", "Without it the bot reads no text in servers."),
            **_optional(account.discord),
        }
        for name, (severity, why) in wanted.items():
            if intents_of(application)[_INTENTS[name]] == "disabled":
                yield Finding(
                    "intent-off",
                    "critical" if severity == "critical" else "warn",
                    f"{name} is off for account {account.id}. {why}",
                    f"Switch it on at {portal} (Privileged Gateway Intents) and restart.",
                    f"account {account.id}",
                )


def _optional(settings: DiscordConfig) -> dict[str, tuple[str, str]]:
    wanted = {}
    if settings.intents.guild_members:
        wanted["Server Members Intent"] = (
            "critical",
            "intents.guildMembers is true, and Discord refuses the connection (4014).",
        )
    elif _uses_members(settings):
        wanted["Server Members Intent"] = ("warn", "Roles, names and access groups are looked up with it.")
    if settings.intents.presence:
        wanted["Presence Intent"] = (
            "critical",
            "intents.presence is true, and Discord refuses the connection (4014).",
        )
    return wanted


def _uses_members(settings: DiscordConfig) -> bool:
    from config.audit.guilds import places

    if settings.dangerously_allow_name_matching:
        return True
    if any(entry.startswith("accessGroup:") for entry in settings.allow_from or ()):
        return True
    return any((guild.roles if channel is None else channel.roles) for _, guild, channel in places(settings))


def _identifies(patient: Patient) -> Iterator[Finding]:
    for account, probe in patient.probes.items():
        limit = probe.gateway.get("session_start_limit")
        left = limit.get("remaining") if isinstance(limit, dict) else None
        if isinstance(left, int) and left < LOW_IDENTIFIES:
            yield Finding(
                "identifies-low",
                "warn",
                f"Account {account} may log in only {left} more times today: something restarts it "
                "very often.",
                "Look for a second gateway with the same token, or a process that keeps failing.",
                f"account {account}",
            )


def _clock(patient: Patient) -> Iterator[Finding]:
    skews = [probe.skew_s for probe in patient.probes.values() if probe.skew_s is not None]
    worst = max(skews, key=abs, default=0.0)
    if abs(worst) > CLOCK_S:
        yield Finding(
            "clock-skew",
            "warn",
            f"This machine's clock is {abs(worst):.0f} s {'ahead of' if worst > 0 else 'behind'} Discord's.",
            "Switch time synchronisation on (NTP).",
        )


# -- servers, from what the gateway has told ---------------------------------------------------------


def _guilds(patient: Patient) -> Iterator[Finding]:
    if patient.store is None:
        return
    for account in patient.accounts:
        known = patient.store.facts.guilds(account.id)
        if not known:
            continue  # never connected yet
        missing = [key for key in account.discord.guilds or {} if key.isdigit() and key not in known]
        if missing:
            yield Finding(
                "guild-not-joined",
                "warn",
                f"Account {account.id} lists servers it is not in: {', '.join(missing[:5])}.",
                "Invite the bot (scopes bot and applications.commands), or correct the id.",
                f"account {account.id}",
            )


def _permissions(patient: Patient) -> Iterator[Finding]:
    """What the bot may not do in the channels it is to answer in; only places named by id."""
    if patient.store is None:
        return
    for account in patient.accounts:
        me = patient.store.facts.me(account.id)
        if me is None or not me.get("id"):
            continue
        lacking: dict[tuple[str, ...], list[str]] = {}
        for channel, missing in _lacking(patient.store, account, str(me["id"])):
            lacking.setdefault(missing, []).append(channel)
        for missing, channels in lacking.items():
            shown = ", ".join(channels[:CHANNELS_SHOWN])
            more = f" and {len(channels) - CHANNELS_SHOWN} more" if len(channels) > CHANNELS_SHOWN else ""
            yield Finding(
                "permission-missing",
                "critical" if {"View Channel", "Send Messages"} & set(missing) else "warn",
                f"Account {account.id} lacks {', '.join(missing)} in {shown}{more}.",
                "Give the bot's role these permissions, or look at overrides of the channel.",
                f"account {account.id}",
            )


def _personas(patient: Patient) -> Iterator[Finding]:
    """Agents with a name of their own need a webhook in the channel; without it the bot speaks (3.14)."""
    if patient.store is None:
        return
    from shoal.discord.permissions import Permission, missing_names

    needed = Permission.VIEW_CHANNEL | Permission.MANAGE_WEBHOOKS
    for account in patient.accounts:
        facts, me = patient.store.facts, patient.store.facts.me(account.id) or {}
        bound = {persona.channel_id for persona in patient.store.personas.all(account.id).values()}
        lacking = []
        for channel_id in sorted(bound):
            channel = facts.channel(account.id, channel_id) or {}
            have = _permissions_in(patient.store, account.id, channel, str(me.get("id") or ""))
            if have is not None and missing_names(have, needed):
                lacking.append(f"#{channel.get('name') or channel_id}")
        if lacking:
            more = len(lacking) - CHANNELS_SHOWN
            shown = ", ".join(lacking[:CHANNELS_SHOWN]) + (f" and {more} more" if more > 0 else "")
            yield Finding(
                "persona-permission",
                "warn",
                f"Account {account.id} lacks Manage Webhooks in {shown}: agents there speak as the bot.",
                "Give the bot's role Manage Webhooks in these channels; it is tried again within the hour.",
                f"account {account.id}",
            )


def _permissions_in(store: Store, account: str, channel: dict[str, Any], me: str) -> Permission | None:
    """What the bot may do in a channel; none where the gateway has not told enough."""
    from shoal.discord.permissions import permissions_in

    guild_id = str(channel.get("guild_id") or "")
    guild = store.facts.guild(account, guild_id) if guild_id else None
    member: Any = store.facts.get(account, "member", guild_id) if guild is not None else None
    if guild is None or member is None or not me:
        return None
    return permissions_in(guild, store.facts.roles(account, guild_id), channel, member, me)


def _lacking(store: Store, account: Account, me: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    from shoal.discord.permissions import Permission, missing_names

    needed = (
        Permission.VIEW_CHANNEL
        | Permission.SEND_MESSAGES
        | Permission.READ_MESSAGE_HISTORY
        | Permission.EMBED_LINKS
        | Permission.ATTACH_FILES
    )
    for guild_id, entry in (account.discord.guilds or {}).items():
        for key, rules in (entry.channels or {}).items():
            channel = store.facts.channel(account.id, key) if key.isdigit() else None
            if channel is None or rules.enabled is False:
                continue
            have = _permissions_in(store, account.id, {**channel, "guild_id": guild_id}, me)
            missing = missing_names(have, needed) if have is not None else ()
            if missing:
                yield f"#{channel.get('name') or key}", missing


CHECKS = (
    Check("token", "bot tokens", ("First: run doctor",), _token),
    Check(
        "intents",
        "privileged intents of the application",
        (
            "Used disallowed intents or bot sees no guild messages",
            "Used disallowed intents",
            "Bot connects but does not reply in servers",
        ),
        _intents,
    ),
    Check("identifies", "log-ins left today", ("Gateway READY timeout restarts",), _identifies),
    Check("clock", "this machine's clock", (), _clock),
    Check(
        "guilds", "servers that are listed and not joined", ("Guild messages blocked unexpectedly",), _guilds
    ),
    Check(
        "permissions",
        "permissions in listed channels",
        (
            "Permission audit mismatches",
            "Bot connects but does not reply in servers",
            "Permission checks take numeric ids only",
        ),
        _permissions,
    ),
    Check("personas", "webhooks of agents with a name of their own", (), _personas),
)
