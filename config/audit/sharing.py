"""Accounts: what two of them share without saying so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.loaded import Loaded
from shoal.base.findings import Finding

__all__ = ["look"]


def look(loaded: Loaded, paired: Mapping[str, int]) -> Iterator[Finding]:  # noqa: ARG001 - one signature
    """Findings about accounts and owners."""
    running = loaded.account_ids()
    agents: dict[str, list[str]] = {}
    for account in running:
        agents.setdefault(_agent_of(loaded, account), []).append(account)
    for agent, accounts in agents.items():
        if len(accounts) > 1:
            yield Finding(
                "accounts-share-sessions",
                "info",
                f"Accounts {', '.join(accounts)} share the conversations of agent {agent}: in a channel both "
                "are in, they have one memory.",
                "Give each account an agent of its own with a binding, if that is not meant: "
                '{ agentId: "…", match: { channel: "discord", accountId: "…" } }.',
                "bindings",
            )
    shared = {account.discord.application_id for account in loaded.accounts} - {None}
    if len(running) > 1 and len(shared) == 1 and all(each.discord.application_id for each in loaded.accounts):
        yield Finding(
            "application-id-shared",
            "warn",
            "Several accounts have the same applicationId; each bot has its own.",
            "Write applicationId per account, or leave it out.",
            "channels.discord.applicationId",
        )
    if not loaded.root.commands.owner_allow_from:
        pairing = any(
            each.enabled and each.dm.enabled and each.dm_policy == "pairing"
            for each in loaded.discord_settings.values()
        )
        yield Finding(
            "no-owner",
            "info",
            "commands.ownerAllowFrom names nobody"
            + (
                ": the first who is approved by pairing owns the bot."
                if pairing
                else ", and pairing, which would make an owner, is off."
            ),
            'Write commands.ownerAllowFrom: ["discord:<your user id>"].',
            "commands.ownerAllowFrom",
        )


def _agent_of(loaded: Loaded, account: str) -> str:
    """The agent of an account where no narrower binding says otherwise."""
    for binding in loaded.root.bindings:
        match = binding.match
        narrower = (match.peer, match.guild_id, match.team_id, match.roles)
        mine = match.account_id in (account, "*") or (
            match.account_id is None and account == loaded.default_account_id
        )
        if match.channel == "discord" and mine and not any(narrower):
            return binding.agent_id
    return loaded.default_agent_id
