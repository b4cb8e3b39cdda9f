"""How a turn's reactions end: the last state is held, then the acknowledgement is back, or all is gone.

A record in the lane of the message (``reaction:<account>:<message>``), pushed with the turn's commit, so
it happens whoever dies (``spec/inbound.md`` 7.4, 7.5). Discord is asked which reactions are ours: a worker
that was killed may have left one nobody remembers. Everything here may be done twice.

    show the last state ─▶ hold ─▶ delivered? ─▶ take away what must not stay, put back what must

Acknowledgements are removed only after a visible reply was *delivered*: the record then names the send
whose receipts must be there, and waits for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.errors import NotFound
from shoal.state.effects import Push
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit, Park, Step, Yield
from shoal.state.store import Store
from workers.delivery.reactions import Mark, ReactionApi, own_emojis, same_emoji
from workers.delivery.verdicts import later
from workers.sessions.admission.reactions import reaction_lane

__all__ = ["KIND", "Settle", "delivered_key", "settle", "settle_push"]

KIND = "settle"
"""``Record.kind`` in a reaction lane; the body is a :class:`Settle`."""

GIVE_UP_MS = 10 * 60_000
"""For so long the delivery of a reply is waited for, and Discord is asked again."""
LOOK_MS = 30_000
_LAST = b"last"
"""Journal: the last state was shown. A number: the acknowledgement in that place of the list is gone."""

log = get_logger(__name__)


class Settle(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be seen of our reactions in the end.

    Attributes:
        states: emojis of states, none of which stays on the message; empty where states are not shown.
        last: the state that is shown for ``hold_ms`` first, or empty.
        ack: the acknowledgement of the message, or empty.
        remove: acknowledgements that go, of every message of the turn; empty: they stay.
        after: identity of the send that must have receipts before ``remove``; empty: now.
        at_ms: when the turn ended, Unix ms.
    """

    account: str
    channel_id: str
    message_id: MessageId
    states: tuple[str, ...] = ()
    last: str = ""
    hold_ms: int = 0
    ack: str = ""
    remove: tuple[Mark, ...] = ()
    after: str = ""
    at_ms: int = 0
    v: int = 1


def delivered_key(send_identity: str) -> str:
    """Wake key of a send: fires when all of it is delivered, or surely will not be."""
    return f"sent:{send_identity}"


def settle_push(wanted: Settle, cause: str, *, delay_ms: int = 0) -> Push:
    """The effect that has it done. ``cause``: identity of what ended; the same cause settles once."""
    record = Record(f"settle.{cause}", KIND, msgspec.json.encode(wanted))
    return Push(reaction_lane(wanted.account, wanted.message_id), record, delay_ms=delay_ms)


def settle(grant: Grant, store: Store, rest: Callable[[str], ReactionApi]) -> Step:
    """Do what the record at the head of a reaction lane says."""
    wanted = msgspec.json.decode(grant.head.body, type=Settle)
    age_ms = store.now_ms() - wanted.at_ms
    try:
        api = rest(wanted.account)
        # what is done is not done again: the bucket has room for one request, and a rate wait begins anew
        done = {entry for _, entry in grant.journal}
        if wanted.last and _LAST not in done:
            _arrange(wanted, api, keep=wanted.last)
            store.lanes.checkpoint(grant, grant.step + 1, journal=_LAST)
            return Yield(max(1, wanted.hold_ms), "shown: last state")
        remove = bool(wanted.remove)
        if remove and wanted.after and not store.receipts.receipt(wanted.after):
            if age_ms <= GIVE_UP_MS:
                return Park((delivered_key(wanted.after),), LOOK_MS, "waiting: delivery", wake_on_push=False)
            remove = False
        step = grant.step
        for number, mark in enumerate(wanted.remove if remove else ()):
            if str(number).encode() not in done:
                _take(api, mark)
                step += 1
                store.lanes.checkpoint(grant, step, journal=str(number).encode())
        _arrange(wanted, api, keep="" if remove else wanted.ack)
    except ShoalError as error:
        again = later(error, age_ms=age_ms, patience_ms=GIVE_UP_MS)
        if again is not None:
            return again
        log.info("reactions were not settled", message=wanted.message_id, code=error.code, error=error)
        return Commit((), f"gave up: {error.code}")
    return Commit((), "settled · acks removed" if remove else "settled")


def _arrange(wanted: Settle, api: ReactionApi, *, keep: str) -> None:
    """Of the states and the acknowledgement only ``keep`` is on the message."""
    if not wanted.states:
        return
    try:
        present = own_emojis(api.get_message(wanted.channel_id, wanted.message_id))
    except NotFound:
        return  # the message is gone, and its reactions with it
    if keep and not any(same_emoji(emoji, keep) for emoji in present):
        api.create_reaction(wanted.channel_id, wanted.message_id, keep)
    ours = (*wanted.states, wanted.ack)
    for emoji in present:
        kept = bool(keep) and same_emoji(emoji, keep)
        if not kept and any(same_emoji(emoji, known) for known in ours):
            _take(api, Mark(wanted.channel_id, wanted.message_id, emoji))


def _take(api: ReactionApi, mark: Mark) -> None:
    with contextlib.suppress(NotFound):  # it was gone already, or its message is
        api.delete_own_reaction(mark.channel_id, mark.message_id, mark.emoji)
