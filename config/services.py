"""Services beside a model (speech in, speech out): where one is, and what opens it.

What is written for the service comes first, then the model provider of its name, then what is known of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from config.agents import ProviderConfig
from config.providers import OPENAI_APIS, variable_of
from config.schema.secrets import SecretRef
from config.secrets import Secrets, SecretUnavailable
from shoal.base.errors import ConfigIssue

__all__ = ["Reached", "ServiceKind"]


@dataclass(frozen=True, slots=True)
class Reached:
    """How a service is reached; the address has no slash at its end."""

    base_url: str
    api_key: SecretStr | None


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """What is known of one kind of services.

    Attributes:
        what: it is, in a warning; ``called``: who does it.
        addresses: of those that need nothing but a key.
        served: hint where one has no address or cannot be asked.
        variables: that may hold a key, where ``<NAME>_API_KEY`` is not the only one.
    """

    what: str
    called: str
    addresses: Mapping[str, str]
    served: str
    variables: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def reach(
        self,
        name: str,
        where: str,
        *,
        url: str | None,
        keys: Sequence[SecretStr | SecretRef | None],
        known: ProviderConfig | None,
        env: Mapping[str, str],
        secrets: Secrets,
    ) -> Reached | ConfigIssue:
        """How the service ``name`` is reached, or why it is not.

        Args:
            where: it is written, for the warning.
            url, keys: what is written for it; the first key counts.
            known: the model provider of its name.
        """
        if known is not None and url is None and known.api not in OPENAI_APIS:
            what = f"{name} speaks {known.api}, which has no {self.what} here"
            return ConfigIssue(where, what, hint=self.served)
        own = self.addresses.get(name)
        url = url or (known.base_url if known else None) or own
        if url is None or not url.startswith(("http://", "https://")):
            what = f"there is no address for the {self.called} {name!r}"
            return ConfigIssue(where, what, hint=self.served)
        try:
            key = next((key for key in map(secrets.plain, keys) if key is not None), None)
        except SecretUnavailable as error:
            return ConfigIssue(where, error.message, hint=error.fix)
        key = key or (known.api_key if known else None) or self.key_of(name, env, secrets)
        if key is None and url == own:
            hint = f"set {self._variables(name)[0]} or apiKey"
            return ConfigIssue(where, f"the {self.called} {name} has no key", hint=hint)
        return Reached(url.rstrip("/"), key)

    def key_of(self, name: str, env: Mapping[str, str], secrets: Secrets) -> SecretStr | None:
        """The key of a service in the environment."""
        keys = (secrets.plain(SecretStr(env.get(variable, ""))) for variable in self._variables(name))
        return next((key for key in keys if key is not None), None)

    def _variables(self, name: str) -> Sequence[str]:
        return self.variables.get(name, (variable_of(name, "API_KEY"),))
