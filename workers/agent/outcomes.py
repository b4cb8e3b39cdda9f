"""Outcomes of the messages that went into a turn, besides the one it answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shoal.state.effects import Effect, Outcome
from shoal.state.ledger import Outcome as Verdict
from shoal.state.records import Record
from workers.sessions.changes import DELETED_REASON
from workers.sessions.records import TurnRequest, decode_turn

__all__ = ["all_dropped", "others_settled"]

MAX_SETTLED = 20
"""Earlier messages of a batch that get an outcome with the commit."""


def all_dropped(request: TurnRequest, reason: str) -> list[Effect]:
    """Nothing is answered: the outcome of every message of the request."""
    return [
        Outcome(request.account, known, str(Verdict.DROPPED), reason)
        for known in request.all_message_ids[:MAX_SETTLED]
    ]


def others_settled(
    request: TurnRequest,
    head: Record,
    absorbed: Mapping[str, TurnRequest],
    *,
    merged: Collection[str],
    stopped: bool,
) -> list[Effect]:
    """What becomes of the others when ``request`` is answered.

    Args:
        head: its record, which still names the messages that were deleted since.
        absorbed: requests that joined the turn, by the identity of their records.
        merged: of these, the ones that were there before the first answer.
        stopped: a stop ended the turn, and all of them with it.
    """
    account, into = request.account, f"into.{request.message_id}"
    earlier = [known for known in request.all_message_ids if known != request.message_id]
    rest = Verdict.STOPPED if stopped else Verdict.MERGED
    effects: list[Effect] = [Outcome(account, known, str(rest), into) for known in earlier[:MAX_SETTLED]]
    kept = set(request.all_message_ids)
    effects.extend(
        Outcome(account, known, str(Verdict.DROPPED), DELETED_REASON)
        for known in decode_turn(head.body).all_message_ids[:MAX_SETTLED]
        if known not in kept
    )
    for identity, other in absorbed.items():
        how = Verdict.MERGED if identity in merged else Verdict.STEERED
        word = Verdict.STOPPED if stopped else how
        effects.extend(Outcome(other.account, known, str(word), into) for known in other.all_message_ids)
    return effects
