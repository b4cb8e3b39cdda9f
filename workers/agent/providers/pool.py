"""Providers of one process: made from the config at first use, kept with their connections.

The proxy of a call is the provider's own (``request.proxy``, ``models.proxy``), else the one
of the account whose turn it is. With the account's proxy, a model server on this machine
(``127.0.0.1``, ``localhost``) is reached directly: no byte leaves the machine, and a proxy
elsewhere could not reach it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from config.agents import ProviderConfig
from config.loaded import Loaded
from config.providers import OPENAI_APIS
from shoal.base.errors import ConfigError
from shoal.base.net import is_loopback
from shoal.base.proxy import Proxy
from workers.agent.providers.anthropic import AnthropicProvider
from workers.agent.providers.base import AuthError, Provider, ProviderMissingError
from workers.agent.providers.guide import GuideProvider
from workers.agent.providers.openai import OpenAIProvider

__all__ = ["ProviderPool", "goes_direct"]

_ANTHROPIC_APIS = {"anthropic-messages", "anthropic"}


class ProviderPool:
    """Gives :class:`workers.agent.models.Models` its providers.

    Args:
        loaded: asked for the config in force; a reload gives another one, and new providers.
    """

    def __init__(self, loaded: Callable[[], Loaded], guide: GuideProvider | None = None) -> None:
        self._loaded = loaded
        self._guide = guide or GuideProvider()
        self._lock = threading.Lock()
        self._revision = ""
        self._made: dict[tuple[str, str], Provider] = {}

    def __call__(self, provider_id: str, account: str) -> Provider:
        """The provider for turns of ``account``.

        Raises:
            ProviderMissingError: not configured, or a kind that is not served.
            AuthError: it has no key and needs one.
        """
        if provider_id == self._guide.id:
            return self._guide
        loaded = self._loaded()
        with self._lock:
            if loaded.revision != self._revision:
                # old providers keep serving the calls that hold them; their sockets go with them
                self._made, self._revision = {}, loaded.revision
            made = self._made.get((provider_id, account))
            if made is None:
                made = self._made[(provider_id, account)] = _make(loaded, provider_id, account)
            return made

    def close(self) -> None:
        """Give up all connections."""
        with self._lock:
            made, self._made = self._made, {}
        for provider in made.values():
            provider.close()


def _make(loaded: Loaded, provider_id: str, account_id: str) -> Provider:
    try:
        config = loaded.model_provider(provider_id)
        account = loaded.account(account_id)
    except ConfigError as error:
        raise ProviderMissingError(error.message, provider=provider_id, model="", fix=error.fix) from error
    if config.problem:
        raise AuthError(
            f"The model provider {provider_id} cannot be used: {config.problem}",
            provider=provider_id,
            model="",
            fix="`shoal config validate` says which secret is missing.",
        )
    if config.api_key is None and config.base_url is None:
        variable = f"{provider_id.upper().replace('-', '_')}_API_KEY"
        raise AuthError(
            f"The model provider {provider_id} has no key.",
            provider=provider_id,
            model="",
            fix=f"Set {variable} or models.providers.{provider_id}.apiKey.",
        )
    proxy = config.proxy or account.proxy
    if config.proxy is None and proxy is not None and goes_direct(config.base_url, proxy):
        proxy = None
    return _build(config, proxy, account.proxy_ca_file)


def _build(config: ProviderConfig, proxy: Proxy | None, ca_file: str | None) -> Provider:
    headers = {name: value.get_secret_value() for name, value in config.headers.items()}
    idle = min(config.timeout_seconds or 120.0, 600.0)
    kind: type[OpenAIProvider] | type[AnthropicProvider]
    if config.api in OPENAI_APIS:
        kind = OpenAIProvider
    elif config.api in _ANTHROPIC_APIS:
        kind = AnthropicProvider
    else:
        raise ProviderMissingError(
            f"The model API {config.api!r} of provider {config.id} is not served.",
            provider=config.id,
            model="",
            fix="Use its OpenAI-compatible address as baseUrl with api: openai-completions.",
        )
    return kind(
        config.id,
        base_url=config.base_url,
        api_key=config.api_key,
        headers=headers,
        proxy=proxy,
        idle_s=idle,
        ca_file=ca_file,
    )


def goes_direct(base_url: str | None, proxy: Proxy) -> bool:
    """Whether this address is on our own machine, or exempted by ``NO_PROXY``."""
    url = urlsplit(base_url or "")
    host = (url.hostname or "").lower()
    if not host:
        return False
    if is_loopback(host, below=True):
        return True
    return proxy.exempts(host, url.port or (80 if url.scheme == "http" else 443))
