"""``models``: providers of language models (spec: outbound 9.1)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr

from config.schema.base import Number, Open, Positive, Section, Text, names
from config.schema.secrets import SecretInput

__all__ = ["ModelDefinition", "ModelProvider", "ModelsConfig", "ProviderRequest"]


class ModelCost(Section):
    """Dollars for a million tokens."""

    input: Number | None = None
    output: Number | None = None
    cache_read: Number | None = None
    cache_write: Number | None = None
    tiered_pricing: Any = None


class ModelDefinition(Open):
    """One model of a provider. Limits are tokens."""

    LATER: ClassVar[frozenset[str]] = names("cost compat maxTokens")

    id: Text
    name: str | None = None
    api: str | None = None
    reasoning: bool | None = None
    input: list[str] | None = None
    cost: ModelCost | None = None
    context_window: Positive | None = None
    context_tokens: Positive | None = None
    max_tokens: Positive | None = None
    headers: dict[str, str] | None = None
    params: dict[str, Any] | None = None
    compat: dict[str, Any] | None = None


class ProviderRequest(Section):
    """How requests of this provider travel. Switching TLS checks off does not exist here."""

    LATER: ClassVar[frozenset[str]] = names("allowPrivateNetwork")

    KEPT: ClassVar[frozenset[str]] = frozenset({"auth", "tls"})

    headers: dict[str, SecretInput] = {}
    proxy: SecretStr | None = None
    allow_private_network: bool | None = None


class ModelProvider(Section):
    """One provider. Without ``api`` it speaks OpenAI chat completions."""

    KEPT: ClassVar[frozenset[str]] = names(
        """
        auth injectNumCtxForOpenAICompat authHeader region localService agentRuntime
        """
    )

    base_url: Text | None = None
    api_key: SecretInput | None = None
    api: str | None = None
    headers: dict[str, SecretInput] = {}
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    request: ProviderRequest = ProviderRequest()
    models: list[ModelDefinition] = []
    params: dict[str, Any] = {}


class ModelsConfig(Section):
    """``merge`` lays providers over the built-in ones, ``replace`` leaves only these."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"bedrockDiscovery", "pricing", "discovery"})

    mode: Literal["merge", "replace"] = "merge"
    providers: dict[str, ModelProvider] = {}
    proxy: SecretStr | None = None
