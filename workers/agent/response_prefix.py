"""``responsePrefix``: what stands in front of an agent's answers (``spec/outbound.md`` 3.8)."""

from __future__ import annotations

from workers.agent.profile import AgentProfile

__all__ = ["response_prefix"]


def response_prefix(profile: AgentProfile, model: str) -> str | None:
    """The prefix, its variables filled from ``model``, the one that answered: ``provider/model``."""
    wanted = profile.response_prefix
    if not wanted:
        return None
    if wanted == "auto":
        return f"[{profile.name}]" if profile.name else None
    provider, _, name = model.partition("/")
    for variable, value in (
        ("{model}", _short_model(name)),
        ("{modelFull}", model),
        ("{provider}", provider),
        ("{identity.name}", profile.name),
        ("{identityName}", profile.name),
    ):
        wanted = wanted.replace(variable, value)
    return wanted


def _short_model(name: str) -> str:
    """Without the maker, ``-latest`` and a date."""
    name = name.rsplit("/", 1)[-1].removesuffix("-latest")
    head, _, tail = name.rpartition("-")
    return head if head and len(tail) == 8 and tail.isdigit() else name
