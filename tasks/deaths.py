"""Tells people of records that ended among the dead (rule R13).

A dead turn leaves one short notice in its conversation: silence is what users complain of most. A dead
delivery is told its owner, with what Discord said; its conversation hears only that there was one, and only
where the fault was the message's. Nobody is flooded (``spec/outbound.md`` 11 row 29): a room hears of one
kind once in ten minutes, the owner of one reason in one channel once a day. Notices have identities of their
own, so any number of processes may look at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from shoal.base.ids import MessageId, check_name
from shoal.base.logging import get_logger
from shoal.discord.codes import OF_MESSAGE
from shoal.state.ledger import Outcome
from shoal.state.records import DeadRecord
from shoal.state.store import Store
from workers.delivery.preview_records import PreviewEnd, end_push
from workers.delivery.previews import begun
from workers.delivery.records import KIND as SEND
from workers.delivery.records import NOTICE_MAX_AGE_S, SendRequest, decode_send, send_record
from workers.delivery.settling import Settle, settle_push
from workers.delivery.texts import Language, language_of, say
from workers.delivery.verdicts import is_unknown
from workers.sessions.records import KIND as TURN
from workers.sessions.records import TurnRequest, decode_turn

__all__ = ["NOBODY", "Owner", "tell_of_the_dead"]

log = get_logger(__name__)

COOLDOWN_MS = 10 * 60_000
TO_OWNER = "undelivered-owner."


@dataclass(frozen=True, slots=True)
class Owner:
    """Who hears of what cannot be delivered.

    Attributes:
        dm: DM channel of an account's owner, if one is known.
        language: of our texts to them.
    """

    dm: Callable[[str], str | None] = lambda _account: None
    language: Language = "en"


NOBODY = Owner()


def tell_of_the_dead(store: Store, states: Sequence[str] = (), owner: Owner = NOBODY) -> int:
    """Post what has not been told yet; returns how many records were looked at.

    Args:
        states: emojis by which turns show their state; none of them stays on the message of a dead one.
        owner: who hears of deliveries.
    """
    dead = store.lanes.dead_unnoticed()
    for record in dead:
        log.error("dead record", id=record.id, lane=record.lane, code=record.code, kind=record.record.kind)
        if record.record.kind == TURN:
            _tell_conversation(store, record, states)
        elif record.record.kind == SEND:
            _tell_of_delivery(store, record, owner)
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
    request = notice_of(dead, turn)
    store.lanes.push(request.lane, send_record(request))
    if states and turn.ack:
        left = Settle(
            account=turn.account,
            channel_id=turn.channel_id,
            message_id=MessageId(turn.message_id),
            states=tuple(states),
            ack=turn.ack,
            at_ms=dead.at_ms,
        )
        push = settle_push(left, f"dead.{dead.id}")
        store.lanes.push(push.lane, push.record)


def _tell_of_delivery(store: Store, dead: DeadRecord, owner: Owner) -> None:
    """The owner, once for each channel and reason; and the conversation, if another message would arrive."""
    try:
        lost = decode_send(dead.record.body)
    except msgspec.DecodeError:
        return
    number = dead.code.rpartition("-")[2]
    if dead.record.message_id and number.isdigit() and int(number) in OF_MESSAGE:
        cause = f"undelivered.{lost.account}.{lost.channel_id}.{dead.at_ms // COOLDOWN_MS}"
        text = say("undelivered", language_of(lost.text))
        _push(store, _notice(lost.account, lost.channel_id, cause, "notice", text))
    if lost.cause.startswith(TO_OWNER):
        return  # who cannot be reached cannot be told that
    channel = owner.dm(lost.account)
    if channel is None or channel == lost.channel_id:
        return
    why = dead.reason or dead.code
    name = "owner-unknown" if is_unknown(dead.code) else "owner-undelivered"
    text = say(name, owner.language, place=f"<#{lost.channel_id}>", why=why)
    cause = f"{TO_OWNER}{lost.account}.{lost.channel_id}"
    _push(store, _notice(lost.account, channel, cause, f"notice-{dead.code}", text))


def _push(store: Store, notice: SendRequest) -> None:
    """The same identity is the same notice: it is sent once."""
    store.lanes.push(notice.lane, send_record(notice))


def _notice(account: str, channel_id: str, cause: str, step: str, text: str) -> SendRequest:
    return SendRequest(
        account=account,
        channel_id=channel_id,
        cause=check_name(cause, "cause"),
        step=step,
        text=text,
        plain=True,
        priority="background",
        max_age_s=NOTICE_MAX_AGE_S,
    )


def notice_of(dead: DeadRecord, turn: TurnRequest) -> SendRequest:
    """The notice for a dead turn, in the language of the message; in rooms one for all of ten minutes."""
    cause = f"dead.{dead.id}"
    if turn.chat_type != "direct":
        cause = f"dead.{turn.account}.{turn.channel_id}.{dead.at_ms // COOLDOWN_MS}"
    return SendRequest(
        account=turn.account,
        channel_id=turn.channel_id,
        guild_id=turn.guild_id,
        cause=check_name(cause, "cause"),
        step="notice",
        text=say("other", language_of(turn.text)),
        reply_to=MessageId(turn.message_id),
        plain=True,
        max_age_s=NOTICE_MAX_AGE_S,
    )
