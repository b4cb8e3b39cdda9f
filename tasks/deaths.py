"""Tells people of records that ended among the dead (rule R13).

A dead turn leaves one short notice in its conversation: silence is what users complain of
most. The notice has an identity of its own, so any number of processes may look at once.
A dead delivery cannot be told where it failed; it shows in ``shoal status`` and the log.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shoal.base.ids import check_name
from shoal.base.logging import get_logger
from shoal.state.ledger import Outcome
from shoal.state.records import DeadRecord, Record
from shoal.state.store import Store
from workers.delivery.previews import PreviewEnd, begun, end_push
from workers.delivery.records import KIND as SEND
from workers.delivery.records import NOTICE_MAX_AGE_S, SendRequest, encode
from workers.delivery.settling import Settle, settle_push
from workers.delivery.texts import language_of, say
from workers.sessions.records import KIND as TURN
from workers.sessions.records import TurnRequest, decode_turn

__all__ = ["tell_of_the_dead"]

log = get_logger(__name__)


def tell_of_the_dead(store: Store, states: Sequence[str] = ()) -> int:
    """Post what has not been told yet; returns how many records were looked at.

    Args:
        states: emojis by which turns show their state; none of them stays on the message of a dead one.
    """
    dead = store.lanes.dead_unnoticed()
    for record in dead:
        log.error("dead record", id=record.id, lane=record.lane, code=record.code, kind=record.record.kind)
        if record.record.kind == TURN:
            _tell_conversation(store, record, states)
        store.lanes.dead_noticed(record.id)
    return len(dead)


def _tell_conversation(store: Store, dead: DeadRecord, states: Sequence[str]) -> None:
    try:
        turn = decode_turn(dead.record.body)
    except msgspec.DecodeError:
        return  # unreadable is why it died; there is no conversation to find
    for known in turn.all_message_ids:
        # the lane wrote the outcome of the record's own message; a batch stands for more
        store.ledger.close(turn.account, known, Outcome.DEAD, dead.code)
    end = PreviewEnd(turn.account, turn.channel_id, dead.record.identity)
    if begun(store, end):
        gone = end_push(end)
        store.lanes.push(gone.lane, gone.record)
    request = notice_of(dead.id, turn)
    store.lanes.push(request.lane, Record(request.identity, SEND, encode(request)))
    if states and turn.ack:
        left = Settle(
            account=turn.account,
            channel_id=turn.channel_id,
            message_id=turn.message_id,
            states=tuple(states),
            ack=turn.ack,
            at_ms=dead.at_ms,
        )
        push = settle_push(left, f"dead.{dead.id}")
        store.lanes.push(push.lane, push.record)


def notice_of(dead_id: str, turn: TurnRequest) -> SendRequest:
    """The notice for a dead turn, in the language of the message."""
    return SendRequest(
        account=turn.account,
        channel_id=turn.channel_id,
        guild_id=turn.guild_id,
        cause=check_name(f"dead.{dead_id}", "dead id"),
        step="notice",
        text=say("other", language_of(turn.text)),
        reply_to=turn.message_id,
        plain=True,
        max_age_s=NOTICE_MAX_AGE_S,
    )
