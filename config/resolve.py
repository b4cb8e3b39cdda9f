"""From a validated file to accounts that can run: tokens, duplicates, proxies, DM rules.

Collects problems instead of stopping at the first. What keeps one account from running
(no token, a secret that does not resolve) is a state of that account, not an error of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr, TypeAdapter, ValidationError

from config.accounts import (
    Account,
    AccountState,
    TokenSource,
    account_raw,
    application_id_of,
    clean_token,
    default_account,
    list_accounts,
    normalise_id,
)
from config.endpoint import api_url, pluralkit_url
from config.issues import describe
from config.places import KeyPath, show_path
from config.proxy import find_proxy
from config.schema.discord import DiscordConfig
from config.schema.secrets import SecretInput, SecretRef
from config.secrets import Secrets, SecretUnavailable
from shoal.base.errors import ConfigError, ConfigIssue
from shoal.base.proxy import Proxy

__all__ = ["Accounts", "resolve_accounts"]

Json = dict[str, Any]
_DISCORD: KeyPath = ("channels", "discord")
_secret_input: TypeAdapter[SecretStr | SecretRef | None] = TypeAdapter(SecretInput | None)


@dataclass
class Accounts:
    """What came of the accounts."""

    ready: list[Account] = field(default_factory=list)
    states: list[AccountState] = field(default_factory=list)
    settings: dict[str, DiscordConfig] = field(default_factory=dict)
    default_id: str = "default"
    issues: list[ConfigIssue] = field(default_factory=list)
    warnings: list[ConfigIssue] = field(default_factory=list)


@dataclass(frozen=True)
class _Token:
    value: str = ""
    source: TokenSource = "none"
    reason: str = ""
    fix: str = ""
    unavailable: bool = False


class _Resolver:
    def __init__(
        self,
        root: Json,
        env: Mapping[str, str],
        secrets: Secrets,
        folder: Path,
        lines: Mapping[KeyPath, str],
        moved: Mapping[KeyPath, KeyPath],
    ) -> None:
        self.root = root
        channels = root.get("channels")
        found = channels.get("discord") if isinstance(channels, dict) else None
        self.present = isinstance(found, dict)
        self.discord: Json = found if isinstance(found, dict) else {}
        self.env = env
        self.secrets = secrets
        self.folder = folder
        self.lines = lines
        self.moved = moved
        self.proxies: dict[str, Proxy | None] = {}
        self.pluralkit: str | None = None
        self.result = Accounts()

    def issue(
        self,
        path: KeyPath,
        message: str,
        *,
        hint: str = "",
        found: str = "",
        allowed: str = "",
        code: str = "",
    ) -> None:
        old = self.moved.get(path, path)
        where = self.lines.get(old, "")
        hint = "; ".join(part for part in (hint, where) if part)
        new = ConfigIssue(show_path(old), message, found=found, allowed=allowed, hint=hint, code=code)
        if str(new) not in {str(known) for known in self.result.issues}:
            self.result.issues.append(new)

    def run(self) -> Accounts:
        self.check_ids()
        written = list_accounts(self.discord, self.env)
        api = api_url(self.env, self.result.issues)
        self.pluralkit = pluralkit_url(self.env, self.result.issues)
        tokens: dict[str, _Token] = {}
        configs: dict[str, DiscordConfig] = {}
        self.prefetch(written)
        for account_id, account in written.items():
            config = self.effective(account_id, account)
            if config is None:
                continue
            configs[account_id] = config
            if self.enabled(config):
                tokens[account_id] = self.token(account_id, account)
                self.check_dm(account_id, account, config)
                self.proxies[account_id] = self.proxy(config, self.path(account_id, account, "proxy"))
        self.result.settings = configs
        owners = _owners(tokens)
        for account_id, config in configs.items():
            state = self.state(account_id, config, tokens.get(account_id), owners)
            self.result.states.append(state)
            if state.state == "ready":
                self.add(account_id, written[account_id], config, tokens[account_id], api)
        ids = list(written)
        ready = [account.id for account in self.result.ready]
        named = self.discord.get("accounts")
        explicit = isinstance(named, dict) and "default" in {normalise_id(name) for name in named}
        self.result.default_id = default_account(self.discord, ids, ready, explicit)
        self.warn(ids, explicit)
        return self.result

    def check_ids(self) -> None:
        named = self.discord.get("accounts")
        seen: dict[str, str] = {}
        for name in named if isinstance(named, dict) else ():
            account_id = normalise_id(name)
            path = (*_DISCORD, "accounts", name)
            if account_id == "default" and name.strip().lower() != "default":
                self.issue(path, "an account name needs a letter a-z or a digit", found=repr(name))
            elif account_id in seen:
                self.issue(
                    path, f"this is the same account as {seen[account_id]!r} (both are {account_id!r})"
                )
            seen.setdefault(account_id, name)

    def prefetch(self, written: Mapping[str, Json]) -> None:
        refs = []
        for box in (self.discord, *written.values()):
            for value in (
                box.get("token"),
                (box.get("pluralkit") or {}).get("token") if box.get("pluralkit") else None,
            ):
                if isinstance(value, dict):
                    refs.append(SecretRef.model_validate(value))
        self.secrets.prefetch(refs)

    def base(self, account_id: str) -> KeyPath:
        """Path of an account's own object; of the channel for the implicit account."""
        named = self.discord.get("accounts")
        for name in named if isinstance(named, dict) else ():
            if normalise_id(name) == account_id:
                return (*_DISCORD, "accounts", name)
        return _DISCORD

    def path(self, account_id: str, account: Json, key: str) -> KeyPath:
        """Where the value of ``key`` that counts for this account is written."""
        return (*(self.base(account_id) if key in account else _DISCORD), key)

    def effective(self, account_id: str, account: Json) -> DiscordConfig | None:
        raw = account_raw(self.root, account, self.env, self.result.warnings)
        try:
            return DiscordConfig.model_validate(raw)
        except ValidationError as error:
            # the parts are valid on their own; together they are not
            base = self.base(account_id)
            found = describe(
                error.errors(include_url=False), raw, base=base, lines=self.lines, moved=self.moved
            )
            self.result.issues.extend(found.issues)
            return None

    def enabled(self, config: DiscordConfig) -> bool:
        return config.enabled and self.discord.get("enabled") is not False

    def token(self, account_id: str, account: Json) -> _Token:
        """Account, channel, environment — a place that fails is never skipped (spec: inbound 1.3)."""
        if "token" in account:
            return self.read_token(account["token"], account_id, (*self.base(account_id), "token"))
        if self.discord.get("token"):
            found = self.read_token(self.discord["token"], account_id, (*_DISCORD, "token"))
            if found.value or found.unavailable:
                return found
        variable = "DISCORD_BOT_TOKEN"
        if account_id == "default":
            value = clean_token(self.env.get(variable, ""))
            if value:
                secret = self.secrets.plain(SecretStr(value))
                return _Token(secret.get_secret_value() if secret else "", "env")
        own = "" if account_id == "default" else f"accounts.{account_id}."
        place = f"channels.discord.{own}token"
        or_env = f" or {variable}" if account_id == "default" else ""
        return _Token(
            reason=f'Discord bot token missing for account "{account_id}"', fix=f"Set {place}{or_env}."
        )

    def read_token(self, written: Any, account_id: str, path: KeyPath) -> _Token:
        try:
            secret = self.secrets.plain(_secret_input.validate_python(written, strict=True))
        except SecretUnavailable as error:
            return _Token(source="config", reason=error.message, fix=error.fix, unavailable=True)
        value = clean_token(secret.get_secret_value()) if secret else ""
        if value:
            self.secrets.plain(SecretStr(value))  # the form without "Bot " is secret too
            return _Token(value, "config")
        return _Token(
            reason=f'Discord bot token missing for account "{account_id}": {show_path(path)} is empty',
            fix=f"Fill {show_path(path)}, or remove the key to use another source.",
        )

    def check_dm(self, account_id: str, account: Json, config: DiscordConfig) -> None:
        """``open`` needs ``*`` and ``allowlist`` needs somebody (spec: inbound 3.1)."""
        entries = [entry for entry in config.allow_from or [] if entry.strip()]
        key = "allowFrom" if "allowFrom" in {*account, *self.discord} else "dmPolicy"
        base = self.path(account_id, account, key)[:-1]
        path = (*base, "allowFrom")
        if config.dm_policy == "open" and not config.dm_list_holds_everyone:
            self.issue(
                path,
                'dmPolicy "open" needs "*" in allowFrom',
                hint='add "*" to let everyone in, or choose dmPolicy "allowlist" or "pairing"',
                code="dm-open-without-wildcard",
            )
        if config.dm_policy == "allowlist" and not entries:
            self.issue(
                path,
                'dmPolicy "allowlist" needs at least one entry in allowFrom',
                hint='list who may write, or choose dmPolicy "pairing" or "disabled"',
                code="dm-allowlist-empty",
            )

    def state(
        self, account_id: str, config: DiscordConfig, token: _Token | None, owners: Mapping[str, str]
    ) -> AccountState:
        if token is None:
            reason = (
                "the account is disabled"
                if self.discord.get("enabled") is not False
                else "Discord is disabled"
            )
            return AccountState(account_id, config.name, False, "disabled", "none", reason)
        if token.unavailable:
            return AccountState(
                account_id, config.name, True, "unavailable", token.source, token.reason, token.fix
            )
        if not token.value:
            return AccountState(account_id, config.name, True, "missing", "none", token.reason, token.fix)
        owner = owners[token.value]
        if owner != account_id:
            return AccountState(
                account_id,
                config.name,
                True,
                "duplicate",
                token.source,
                f'duplicate bot token; using account "{owner}"',
                "Give each account a bot of its own.",
            )
        return AccountState(account_id, config.name, True, "ready", token.source)

    def add(
        self, account_id: str, account: Json, config: DiscordConfig, token: _Token, api: str | None
    ) -> None:
        proxy = self.proxies[account_id]
        pluralkit: SecretStr | None = None
        if config.pluralkit.enabled:
            try:
                pluralkit = self.secrets.plain(config.pluralkit.token)
            except SecretUnavailable as error:
                self.result.warnings.append(
                    ConfigIssue(
                        show_path((*self.path(account_id, account, "pluralkit"), "token")),
                        error.message,
                        hint=error.fix,
                    )
                )
        self.result.ready.append(
            Account(
                id=account_id,
                token=SecretStr(token.value),
                token_source=token.source,
                application_id=config.application_id or application_id_of(token.value),
                discord=config,
                proxy=proxy,
                proxy_ca_file=self.ca_file(config, self.path(account_id, account, "proxyCaFile")),
                api_url=api,
                pluralkit_token=pluralkit,
                pluralkit_url=self.pluralkit,
            )
        )
        if config.voice_enabled and proxy is not None and proxy.scheme in {"http", "https"}:
            voice = config.voice
            if voice is not None and voice.proxy != "direct":
                self.result.warnings.append(
                    ConfigIssue(
                        show_path(self.path(account_id, account, "voice")),
                        "voice audio is UDP, which an http proxy cannot carry; voice stays off here",
                        hint='use a socks5h:// proxy, or voice.proxy: "direct" to let voice go around it',
                    )
                )

    def proxy(self, config: DiscordConfig, path: KeyPath) -> Proxy | None:
        url = config.proxy.get_secret_value() if config.proxy is not None else None
        try:
            return find_proxy(url, show_path(path), env=self.env, dns=config.proxy_dns)
        except ConfigError as error:
            if url is not None and url.strip():
                shown = show_path(path)
                self.issue(path, error.message.removeprefix(f"{shown}: ").rstrip("."), hint=error.fix)
            else:
                issue = ConfigIssue("environment", error.message.rstrip("."), hint=error.fix)
                if str(issue) not in {str(known) for known in self.result.issues}:
                    self.result.issues.append(issue)
            return None

    def ca_file(self, config: DiscordConfig, path: KeyPath) -> str | None:
        if config.proxy_ca_file is None or not config.proxy_ca_file.strip():
            return None
        file = self.folder / Path(config.proxy_ca_file).expanduser()
        if not file.is_file():
            self.issue(
                path, "there is no such file", found=repr(config.proxy_ca_file), allowed="a PEM file with CAs"
            )
            return None
        return str(file)

    def warn(self, ids: list[str], explicit: bool) -> None:
        wanted = self.discord.get("defaultAccount")
        if isinstance(wanted, str) and normalise_id(wanted) not in ids:
            self.result.warnings.append(
                ConfigIssue(
                    "channels.discord.defaultAccount",
                    "there is no such account",
                    found=repr(wanted),
                    allowed=", ".join(ids),
                )
            )
        elif len(ids) > 1 and not isinstance(wanted, str) and not explicit:
            self.result.warnings.append(
                ConfigIssue(
                    "channels.discord.accounts",
                    f"no account is named default; where none is given, {self.result.default_id!r} is meant",
                    hint="set channels.discord.defaultAccount",
                )
            )
        if not self.present and self.result.ready:
            self.result.warnings.append(
                ConfigIssue(
                    "channels.discord",
                    "there is no such section; messages in guilds stay blocked until it lists them",
                    hint='add channels: { discord: { guilds: { "<server id>": {} } } }',
                )
            )


def _owners(tokens: Mapping[str, _Token]) -> dict[str, str]:
    """Which account runs a token: config beats environment, then list order."""
    owners: dict[str, str] = {}
    for source in ("config", "env"):
        for account_id, token in tokens.items():
            if token.value and token.source == source:
                owners.setdefault(token.value, account_id)
    return owners


def resolve_accounts(
    root: Json,
    env: Mapping[str, str],
    secrets: Secrets,
    folder: Path,
    *,
    lines: Mapping[KeyPath, str] | None = None,
    moved: Mapping[KeyPath, KeyPath] | None = None,
) -> Accounts:
    """All accounts of a validated file.

    Args:
        root: the file as plain data in its present form; each part already valid.
        folder: where relative paths of the file start.
        lines, moved: see :func:`config.issues.describe`.
    """
    return _Resolver(root, env, secrets, folder, lines or {}, moved or {}).run()
