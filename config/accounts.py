"""Accounts: one Discord bot each, with the settings that are in force for it (spec: inbound 1.2–1.4, 1.12).

An account's settings are the channel's with the account's laid over them. That is shallow —
``accounts.work.guilds`` replaces ``guilds`` — except for the objects of ``_DEEP``, which are
laid over key by key. Below both lie the places OpenClaw falls back to: ``channels.defaults``,
``messages``, ``session.threadBindings`` and environment variables.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from config.paths import env_value
from config.schema.discord import DiscordConfig, Retry
from config.schema.discord_parts import AllowedMentions
from shoal.base.errors import ConfigIssue
from shoal.base.ids import fold_id
from shoal.base.proxy import Proxy

__all__ = [
    "Account",
    "AccountState",
    "TokenSource",
    "account_raw",
    "application_id_of",
    "clean_token",
    "default_account",
    "list_accounts",
    "normalise_id",
]

Json = dict[str, Any]
TokenSource = Literal["config", "env", "none"]
StateWord = Literal["ready", "disabled", "duplicate", "missing", "unavailable"]

_DEEP = ("agentComponents", "botLoopProtection", "actions", "heartbeat", "threadBindings")
_TIMEOUTS = {
    "gatewayInfoTimeoutMs": "DISCORD_GATEWAY_INFO_TIMEOUT_MS",
    "gatewayReadyTimeoutMs": "DISCORD_READY_TIMEOUT_MS",
    "gatewayRuntimeReadyTimeoutMs": "DISCORD_RUNTIME_READY_TIMEOUT_MS",
}


@dataclass(frozen=True, slots=True)
class Account:
    """One bot account, ready to be run.

    Attributes:
        id: normalised account id.
        token: the bot token without ``Bot ``.
        token_source: ``config`` or ``env``.
        application_id: of the config, else read from the token, else ``None`` (ask REST).
        discord: effective settings; channel, account and all fallbacks merged.
        proxy: the proxy of this account's traffic, or ``None`` for direct.
        proxy_ca_file: absolute path of the CA bundle that signs what the proxy shows, if any.
        api_url: REST base of a Discord-compatible server, version included; ``None`` is Discord itself.
        pluralkit_token: resolved; ``None`` without one.
        pluralkit_url: base of another PluralKit API; ``None`` is the public one.
    """

    id: str
    token: SecretStr
    token_source: TokenSource
    application_id: str | None
    discord: DiscordConfig
    proxy: Proxy | None
    proxy_ca_file: str | None
    api_url: str | None
    pluralkit_token: SecretStr | None = None
    pluralkit_url: str | None = None

    @property
    def name(self) -> str:
        """What people call the account."""
        return self.discord.name or self.id

    @property
    def retry(self) -> Retry:
        """Numbers of the retry policy, all of them set."""
        return self.discord.retry

    @property
    def mentions(self) -> AllowedMentions:
        """Whom messages may ping."""
        return self.discord.allowed_mentions

    @property
    def bot_user_id(self) -> str | None:
        """The bot's user id as its token tells it, if it does."""
        return application_id_of(self.token.get_secret_value())


@dataclass(frozen=True, slots=True)
class AccountState:
    """One configured account, whether it can run or not, for status and doctor.

    Attributes:
        state: ``ready``, ``disabled``, ``duplicate``, ``missing`` (no token) or ``unavailable`` (a SecretRef
            that does not resolve).
        reason: a sentence for people where it is not ``ready``.
        fix: what to do about it.
    """

    id: str
    name: str | None
    enabled: bool
    state: StateWord
    token_source: TokenSource
    reason: str = ""
    fix: str = ""

    @property
    def trouble(self) -> str:
        """Why it cannot run and what to do, as sentences; empty where it can."""
        return f"{self.reason.rstrip('.')}. {self.fix}".rstrip() if self.reason else ""


def normalise_id(text: str) -> str:
    """Account ids: lower case, other characters become ``-``, at most 64; blank is ``default``."""
    return fold_id(text, "default")


def list_accounts(discord: Json, env: Mapping[str, str]) -> dict[str, Json]:
    """Accounts by id, as written: configured ones sorted, then the implicit ``default``.

    The implicit one exists where there are no others, or beside them where the channel has a
    token of its own or ``DISCORD_BOT_TOKEN`` is set. It comes last, so that a named account
    that inherits the same token is the one that runs, with the proxy and lists it names.
    """
    written = discord.get("accounts")
    named = written if isinstance(written, dict) else {}
    # null is "not written", so that it never takes away what the channel says
    accounts = {
        normalise_id(key): {name: item for name, item in value.items() if item is not None}
        for key, value in sorted(named.items())
        if isinstance(value, dict)
    }
    accounts = dict(sorted(accounts.items()))
    implicit = not accounts or bool(discord.get("token")) or bool(env.get("DISCORD_BOT_TOKEN", "").strip())
    if implicit and "default" not in accounts:
        accounts["default"] = {}
    return accounts


def default_account(discord: Json, ids: list[str], ready: list[str], explicit: bool) -> str:
    """The account meant when none is named.

    Args:
        ids: all listed accounts in order.
        ready: those that can run.
        explicit: whether ``default`` is written in the file.
    """
    wanted = discord.get("defaultAccount")
    if isinstance(wanted, str) and normalise_id(wanted) in ids:
        return normalise_id(wanted)
    if "default" in ids and (explicit or "default" in ready or not ready):
        return "default"
    return ready[0] if ready else ids[0]


def account_raw(root: Json, account: Json, env: Mapping[str, str], warnings: list[ConfigIssue]) -> Json:
    """Everything in force for one account, still as plain data with the file's keys."""
    discord = _object(root, "channels", "discord")
    messages = _object(root, "messages")
    defaults = _object(root, "channels", "defaults")
    base = {key: value for key, value in discord.items() if key not in {"accounts", "defaultAccount"}}
    merged: Json = {**base, **account}
    below = {
        "heartbeat": defaults.get("heartbeat"),
        "botLoopProtection": defaults.get("botLoopProtection"),
        "threadBindings": _object(root, "session").get("threadBindings"),
    }
    for key in _DEEP:
        layers = [
            layer for layer in (below.get(key), base.get(key), account.get(key)) if isinstance(layer, dict)
        ]
        if layers:
            merged[key] = {name: value for layer in layers for name, value in layer.items()}
    fallbacks = {
        "historyLimit": _object(messages, "groupChat").get("historyLimit"),
        "responsePrefix": messages.get("responsePrefix"),
        "ackReaction": messages.get("ackReaction"),
        "ackReactionScope": messages.get("ackReactionScope"),
        "contextVisibility": defaults.get("contextVisibility"),
    }
    if _present(root):
        # without the section it is allowlist, whatever channels.defaults says (spec: inbound 3.5)
        fallbacks["groupPolicy"] = defaults.get("groupPolicy")
    for key, value in fallbacks.items():
        if merged.get(key) is None and value is not None:
            merged[key] = value
    for key, name in _TIMEOUTS.items():
        if merged.get(key) is None:
            number = _timeout(env, name, warnings)
            if number is not None:
                merged[key] = number
    return {key: value for key, value in merged.items() if value is not None}


def _present(root: Json) -> bool:
    channels = root.get("channels")
    return isinstance(channels, dict) and isinstance(channels.get("discord"), dict)


def _object(data: Any, *path: str) -> Json:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _timeout(env: Mapping[str, str], name: str, warnings: list[ConfigIssue]) -> int | None:
    text = env_value(env, name)
    if text is None:
        return None
    if text.isdigit() and 0 < int(text) <= 120_000:
        return int(text)
    issue = ConfigIssue(
        f"env:SHOAL_{name}",
        "this is no time-out and was ignored",
        found=repr(text[:40]),
        allowed="1 to 120000 (ms)",
    )
    if str(issue) not in {str(known) for known in warnings}:
        warnings.append(issue)
    return None


def clean_token(text: str) -> str:
    """A token without white space around it and without a leading ``Bot ``."""
    return re.sub(r"(?i)^bot\s+", "", text.strip()).strip()


def application_id_of(token: str) -> str | None:
    """The bot's user id, which is the application's: the first part of a token is its base64."""
    first, dot, _ = token.partition(".")
    if not dot or not first:
        return None
    try:
        text = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return text if re.fullmatch(r"[0-9]{15,20}", text) else None
