"""One message, two ids: what PluralKit replaces comes again as a webhook's copy (decision 12).

The original's id is the canonical one. The copy is answered in its place, unless the original was
answered before anybody knew that it would be replaced: then the copy has nothing left to say.
"""

from __future__ import annotations

from shoal.state.ledger import Explanation, Outcome

__all__ = ["DUPLICATE_REASON", "is_spoken_for"]

DUPLICATE_REASON = "pluralkit-duplicate"

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
