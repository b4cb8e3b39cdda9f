"""A loaded config: the validated file and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from config.accounts import Account, AccountState
from config.agents import AgentSettings, ModelRef, ProviderConfig
from config.audio import AudioSettings
from config.paths import Paths
from config.providers import takes_pictures
from config.schema.discord import DiscordConfig
from config.schema.root import Root
from config.schema.secrets import SecretRef
from config.secrets import Secrets
from config.speech import Speech
from shoal.base.errors import ConfigError, ConfigIssue
from shoal.base.process import host_name

__all__ = ["Loaded", "RedisSettings"]


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where Redis is. ``url`` is ``None`` when the embedded server is meant.

    Attributes:
        url: may hold credentials; never log it as it is.
        password: beside the URL, if given on its own.
        source: ``env:<NAME>``, ``config:fleet.redis.url`` or ``embedded``.
        ca_file: CA bundle for ``rediss``.
    """

    url: str | None = field(repr=False)
    password: SecretStr | None
    source: str
    ca_file: str | None = None


@dataclass(frozen=True)
class Loaded:
    """The config in force in this process. Immutable; a reload makes a new one.

    Attributes:
        root: the validated file, in its present form.
        path: the file, or ``None`` when there is none and defaults apply.
        files: the file and all it includes; what a watcher watches.
        revision: hash of what was read; equal texts have equal revisions.
        warnings: what loads but should be looked at.
        legacy: old shapes that were read as their present form.
        discord_settings: effective settings of every configured account, whether it can run or not.
        speech: how each agent speaks, by its id.
        unserved: root sections and keys that load without effect, as paths.
        env: the environment with the ``.env`` files and ``env`` of the file under it.
    """

    root: Root
    paths: Paths
    path: Path | None
    revision: str
    warnings: tuple[ConfigIssue, ...]
    legacy: tuple[ConfigIssue, ...]
    env: Mapping[str, str] = field(repr=False)
    redis: RedisSettings
    accounts: tuple[Account, ...]
    account_states: tuple[AccountState, ...]
    agents: Mapping[str, AgentSettings]
    providers: Mapping[str, ProviderConfig]
    default_account_id: str
    default_agent_id: str
    discord_settings: Mapping[str, DiscordConfig] = field(default_factory=dict)
    audio: AudioSettings = field(default_factory=AudioSettings)
    speech: Mapping[str, Speech] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    unserved: tuple[str, ...] = ()
    secrets: Secrets | None = field(default=None, repr=False)

    @property
    def state_dir(self) -> Path:
        """Folder of everything this installation keeps on disk."""
        return self.paths.state_dir

    @property
    def host(self) -> str:
        """This machine's name in the fleet: ``fleet.host``, else its host name."""
        return host_name(self.root.fleet.host)

    @property
    def redis_url(self) -> str | None:
        """URL of the configured Redis; ``None`` means the embedded one."""
        return self.redis.url

    def account_ids(self) -> list[str]:
        """Ids of the accounts that can run: enabled, with a token, not a duplicate."""
        return [account.id for account in self.accounts]

    def account(self, account_id: str) -> Account:
        """The account with this id.

        Raises:
            ConfigError: there is none that can run; says why.
        """
        for account in self.accounts:
            if account.id == account_id:
                return account
        for state in self.account_states:
            if state.id == account_id:
                raise ConfigError(
                    f"Discord account {account_id!r} cannot run: {state.reason}.", fix=state.fix
                )
        known = ", ".join(state.id for state in self.account_states) or "none"
        raise ConfigError(f"There is no Discord account {account_id!r}; configured: {known}.")

    def agent(self, agent_id: str | None = None) -> AgentSettings:
        """Effective settings of an agent; of the default agent without an id.

        Raises:
            ConfigError: there is no such agent.
        """
        wanted = agent_id or self.default_agent_id
        try:
            return self.agents[wanted]
        except KeyError:
            known = ", ".join(sorted(self.agents))
            raise ConfigError(f"There is no agent {wanted!r}; configured: {known}.") from None

    def speech_of(self, agent_id: str) -> Speech:
        """How an agent speaks; without speakers where it does not."""
        return self.speech.get(agent_id) or Speech()

    def model_provider(self, provider_id: str) -> ProviderConfig:
        """How to reach a model provider.

        Raises:
            ConfigError: it is not configured.
        """
        try:
            return self.providers[provider_id]
        except KeyError:
            known = ", ".join(sorted(self.providers))
            raise ConfigError(
                f"There is no model provider {provider_id!r}; known: {known}.",
                fix=f"Add models.providers.{provider_id} with baseUrl and apiKey.",
            ) from None

    def sees(self, model: ModelRef) -> bool:
        """Whether a model takes pictures."""
        return takes_pictures(self.providers.get(model.provider), model.model)

    def secret(self, value: SecretStr | SecretRef | None) -> SecretStr | None:
        """The secret behind a field that takes plain text or a reference (speech keys, webhooks, …).

        Raises:
            SecretUnavailable: the reference does not resolve.
        """
        if self.secrets is None:
            raise ConfigError("This config was made without a secret store.")
        return self.secrets.plain(value)
