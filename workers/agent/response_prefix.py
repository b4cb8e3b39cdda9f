"""``responsePrefix``: what stands in front of an agent's answers (``spec/outbound.md`` 3.8)."""

from __future__ import annotations

import re

from workers.agent.profile import AgentProfile

__all__ = ["response_prefix"]

_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z.]*)\}")


def response_prefix(profile: AgentProfile, model: str) -> str | None:
    """The prefix, its variables filled from ``model``, the one that answered: ``provider/model``.

    Unknown variables stay as typed.
    """
    wanted = profile.response_prefix
    if not wanted:
        return None
    if wanted == "auto":
        return f"[{profile.name}]" if profile.name else None
    provider, _, name = model.partition("/")
    known = {
        "model": _short_model(name),
        "modelfull": model,
        "provider": provider,
        "identity.name": profile.name,
        "identityname": profile.name,
    }
    return _VARIABLE.sub(lambda hit: known.get(hit[1].lower(), hit[0]), wanted)


def _short_model(name: str) -> str:
    """Without the maker, ``-latest`` and a date."""
    name = name.rsplit("/", 1)[-1].removesuffix("-latest")
    head, _, tail = name.rpartition("-")
    return head if head and len(tail) == 8 and tail.isdigit() else name
