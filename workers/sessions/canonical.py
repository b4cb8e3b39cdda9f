"""One message, two ids: what PluralKit replaces comes again as a webhook's copy (decision 12).

The original's id is the canonical one. The copy is answered in its place, unless the original was
answered before anybody knew that it would be replaced: then the copy has nothing left to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from shoal.discord.pluralkit import Proxied
from shoal.state.ledger import Explanation, Outcome
from shoal.state.lookups import Asked

__all__ = ["DUPLICATE_REASON", "REPLACED_REASON", "is_spoken_for", "original_of"]

DUPLICATE_REASON = "pluralkit-duplicate"
"""Outcome of a copy whose original was answered."""
REPLACED_REASON = "pluralkit-original"
"""Outcome of an original whose copy is answered in its place."""

_NOTHING_SAID = frozenset({Outcome.DROPPED, Outcome.HISTORY, Outcome.STOPPED, Outcome.EXPIRED})


def is_spoken_for(original: Explanation | None) -> bool:
    """Whether a turn took the original up, by its story.

    Asked at the head of the session's lane, where whatever stood before is over: an original without an
    outcome that left a note of its turn has an answer on its way.
    """
    if original is None:
        return False
    if original.outcome is None:
        return any(name in ("turn", "delivery") for name, _ in original.notes)
    return original.outcome not in _NOTHING_SAID


class _Answers(Protocol):
    @property
    def settings(self) -> _Account: ...

    def answers(self, questions: Sequence[Asked]) -> dict[Asked, bytes]: ...


class _Account(Protocol):
    @property
    def account(self) -> str: ...


def original_of(message_id: str, view: _Answers) -> str:
    """The id of the message that a copy replaced, as PluralKit has told; empty where it is no copy."""
    asked = Asked(view.settings.account, "pluralkit", message_id)
    raw = view.answers([asked]).get(asked)
    proxied = msgspec.json.decode(raw, type=Proxied | None) if raw is not None else None
    return "" if proxied is None or proxied.original_id == message_id else proxied.original_id
