"""Accounts: one Discord bot each, with the settings that are in force for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from config.proxy import ProxySettings
from config.schema.discord import DiscordConfig, Retry

__all__ = ["Account", "AccountState", "TokenSource"]

TokenSource = Literal["config", "env", "none"]


@dataclass(frozen=True, slots=True)
class Account:
    """One bot account, ready to be run.

    Attributes:
        id: normalised account id.
        token: the bot token without ``Bot ``.
        token_source: ``config`` or ``env``.
        application_id: of the config, else read from the token, else ``None`` (ask REST).
        discord: effective settings, channel and account merged.
        proxy: the proxy of this account's traffic, or ``None`` for direct.
        proxy_ca_file: CA bundle that signs what the proxy shows, if any.
        api_url: REST base of a Discord-compatible server; ``None`` is Discord itself.
    """

    id: str
    token: SecretStr
    token_source: TokenSource
    application_id: str | None
    discord: DiscordConfig
    proxy: ProxySettings | None
    proxy_ca_file: str | None
    api_url: str | None

    @property
    def retry(self) -> Retry:
        """Numbers of the retry policy, all of them set."""
        return self.discord.retry


@dataclass(frozen=True, slots=True)
class AccountState:
    """One configured account, whether it can run or not, for status and doctor.

    Attributes:
        state: ``ready``, ``disabled``, ``duplicate``, ``missing`` (no token) or ``unavailable`` (a SecretRef
            that does not resolve).
        reason: a sentence for people where it is not ``ready``.
    """

    id: str
    name: str | None
    enabled: bool
    state: Literal["ready", "disabled", "duplicate", "missing", "unavailable"]
    token_source: TokenSource
    reason: str = ""
