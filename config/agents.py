"""Agents and models: what is in force for one agent, and how a provider is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

__all__ = ["AgentSettings", "ModelRef", "ProviderConfig"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as ``provider/model``. ``model`` may hold further slashes."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What is in force for one agent: its own entry over ``agents.defaults``.

    Attributes:
        primary: the model turns start with, or ``None`` when nothing is configured (then the ``guide`` agent answers).
        fallbacks: models tried in order when the primary cannot answer.
        aliases: short names for models, lower-case.
        home: host whose disk holds the workspace; ``shared`` for a shared file system; ``None`` to be leased.
        raw: the merged settings for what has no field here.
    """

    id: str
    name: str
    default: bool
    workspace: Path
    home: str | None
    primary: ModelRef | None
    fallbacks: tuple[ModelRef, ...]
    aliases: Mapping[str, ModelRef]
    identity_name: str | None
    identity_emoji: str | None
    mention_patterns: tuple[str, ...] | None
    skills: tuple[str, ...] | None
    timeout_seconds: int
    user_timezone: str | None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How to reach a model provider.

    Attributes:
        api: ``openai-completions``, ``openai-responses``, ``anthropic-messages``, …
        proxy: like an account's; a bad URL is a config error.
    """

    id: str
    api: str
    base_url: str | None
    api_key: SecretStr | None
    headers: Mapping[str, SecretStr]
    timeout_seconds: float
    models: tuple[str, ...] = ()
