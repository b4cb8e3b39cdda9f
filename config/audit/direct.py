"""Direct messages: who may write, and whether strangers share one conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.loaded import Loaded
from config.schema.discord import DiscordConfig
from shoal.base.findings import Finding

__all__ = ["look"]

_SCOPE_FIX = 'Set session.dmScope: "per-channel-peer", so that everybody has a conversation of their own.'


def look(loaded: Loaded, paired: Mapping[str, int]) -> Iterator[Finding]:
    """Findings of every enabled account, and about the shared main session."""
    senders, open_accounts = 0, []
    for account, settings in _enabled(loaded):
        yield from _policy(account, settings)
        yield from _groups(account, settings)
        if not settings.dm.enabled or settings.dm_policy == "disabled":
            continue
        if settings.dm_policy == "open" and settings.dm_list_holds_everyone:
            open_accounts.append(account)
        senders += len({entry for entry in settings.allow_from or () if entry != "*"})
        if settings.dm_policy == "pairing":
            senders += paired.get(account, 0)
    if loaded.root.session.dm_scope != "main":
        return
    if open_accounts:
        yield Finding(
            "dm-shared-session",
            "critical",
            "Anybody may write in private and all of them share one conversation: each can read what the "
            f"others said (accounts {', '.join(open_accounts)}; session.dmScope is main).",
            _SCOPE_FIX,
            "session.dmScope",
        )
    elif senders > 1:
        yield Finding(
            "dm-shared-session",
            "warn",
            f"{senders} people may write in private and share one conversation (session.dmScope is main).",
            _SCOPE_FIX,
            "session.dmScope",
        )


def _enabled(loaded: Loaded) -> Iterator[tuple[str, DiscordConfig]]:
    for account, settings in loaded.discord_settings.items():
        if settings.enabled:
            yield account, settings


def _groups(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    """Group DMs have strangers in them, so who talks there has to be listed; pairing opens DMs only."""
    listed = bool(settings.allow_from)
    if not settings.dm.group_enabled or (listed and settings.dm_policy != "disabled"):
        return
    why = "nobody is on allowFrom" if not listed else 'dmPolicy is "disabled"'
    yield Finding(
        "group-dm-closed",
        "warn",
        f"Account {account} takes group DMs (dm.groupEnabled), but answers nobody in them: {why}.",
        "Name those who may talk there in channels.discord.allowFrom; pairing is not enough.",
        f"account {account}",
    )


def _policy(account: str, settings: DiscordConfig) -> Iterator[Finding]:
    if not settings.dm.enabled:
        yield Finding(
            "dm-disabled",
            "info",
            f"Account {account} takes no direct messages (dm.enabled is false).",
            "Remove channels.discord.dm.enabled if it should.",
            f"account {account}",
        )
    elif settings.dm_policy == "disabled":
        yield Finding(
            "dm-disabled",
            "info",
            f'Account {account} takes no direct messages (dmPolicy is "disabled").',
            'Choose dmPolicy "pairing" or "allowlist" if it should.',
            f"account {account}",
        )
    elif settings.dm_policy == "open" and settings.dm_list_holds_everyone:
        yield Finding(
            "dm-open",
            "warn",
            f"Account {account} talks to everybody who writes in private (dmPolicy open, allowFrom *).",
            'Choose dmPolicy "pairing" or "allowlist" unless strangers are meant to use it.',
            f"account {account}",
        )
