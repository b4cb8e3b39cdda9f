"""The model that ``/new`` or ``/reset`` chooses for a conversation (``spec/inbound.md`` 8.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.agents import ModelRef
from config.loaded import Loaded

__all__ = ["ModelNames", "model_names"]

DEFAULT = "default"
"""Alone behind the command: back to the model of the config."""


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What a model may be called.

    Attributes:
        aliases: of each agent, lower case, from ``agents.defaults.models``.
        providers: the ones that can be asked; ``provider/model`` of any of them is a model.
    """

    aliases: Mapping[str, Mapping[str, ModelRef]] = field(default_factory=dict)
    providers: frozenset[str] = frozenset()

    def split(self, agent_id: str, said: str) -> tuple[str | None, str]:
        """The model that words begin with, and the words behind it.

        Returns:
            ``provider/model``, ``""`` for the word ``default`` alone, or ``None`` and all of the words
            where they begin with no model: then they are something to say.
        """
        if said.lower() == DEFAULT:
            return "", ""
        word, *rest = said.split(maxsplit=1)[:2] or [""]
        found = ModelRef.parse(word, self.aliases.get(agent_id), self.providers)
        if found is None or found.provider not in self.providers:
            return None, said
        return str(found), rest[0] if rest else ""


def model_names(loaded: Loaded) -> ModelNames:
    """The names of a config."""
    return ModelNames(
        {agent_id: agent.aliases for agent_id, agent in loaded.agents.items()}, frozenset(loaded.providers)
    )
