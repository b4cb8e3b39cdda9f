"""A message: refused, a stop, a command, or a turn in its session's lane (MESSAGE_CREATE)."""

from __future__ import annotations

from dataclasses import replace

from shoal.base.errors import InvalidName
from shoal.base.ids import snowflake_ms
from shoal.state.effects import Outcome
from shoal.state.records import InboundEvent
from workers.access.decision import Decision
from workers.sessions import history
from workers.sessions.admission import service
from workers.sessions.admission.arrival import ORDINARY, Arrival, arrive, counted
from workers.sessions.admission.commands import find_command
from workers.sessions.admission.pairing import find_knock
from workers.sessions.admission.reasons import AdmissionReason
from workers.sessions.admission.results import Admission, Notice, dropped, record_identity
from workers.sessions.admission.stop import find_stop
from workers.sessions.admission.turns import start_turn
from workers.sessions.identity import identity_of
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Malformed, read_ids, read_message

__all__ = ["create", "fast_stop"]


def create(event: InboundEvent, view: AdmissionView) -> Admission:
    """What becomes of a message."""
    try:
        message = read_message(event.data)
    except Malformed as error:
        ids = read_ids(event.data, "id")
        effects = (Outcome(event.account, ids[0], "dropped", AdmissionReason.MALFORMED),) if ids else ()
        return Admission(effects, f"dropped · {AdmissionReason.MALFORMED} ({error})")
    arrival = arrive(event, message, view)
    if event.history:
        return _refused(arrival, _noted(arrival.decision), view)
    try:
        return find_stop(arrival, view) or find_command(arrival, view) or _ordinary(arrival, view)
    except InvalidName:
        return dropped(event.account, message.id, AdmissionReason.SESSION_KEY)


def _ordinary(arrival: Arrival, view: AdmissionView) -> Admission:
    """A message that is no stop and no command."""
    if service.is_own_poll(arrival):
        return service.own_poll(arrival, view)
    if not arrival.decision.allowed:
        refused = _refused(arrival, arrival.decision, view)
        return find_knock(arrival, view) or _told(arrival, refused, view)
    if arrival.message.type not in ORDINARY:
        return service.service_message(arrival)
    return start_turn(arrival, view)


def fast_stop(event: InboundEvent, view: AdmissionView) -> Admission:
    """The stop a message of the fast lane asks for; everything else is for the ordered record."""
    try:
        arrival = arrive(event, read_message(event.data), view)
    except Malformed:
        return Admission(summary="fast · malformed")
    stop = None if event.history else find_stop(arrival, view)
    return stop if stop is not None and stop.stop is not None else Admission(summary="fast · no stop")


def _noted(decision: Decision) -> Decision:
    """What comes back after a gap and is too old starts nothing; who may talk may still be quoted (R19)."""
    if not decision.allowed:
        return decision
    return replace(decision, allowed=False, reason=AdmissionReason.MISSED, history=True)


def _told(arrival: Arrival, admission: Admission, view: AdmissionView) -> Admission:
    """A refusal with what it counts, and what its sender is to hear of it."""
    account, message, decision = arrival.event.account, arrival.message, arrival.decision
    notice = Notice(
        account, message.channel_id, message.guild_id, message.id, record_identity(account, message.id),
        decision.notice, view.settings.language,
    ) if decision.notice else None  # fmt: skip
    return replace(admission, effects=(*admission.effects, *counted(arrival)), notice=notice)


def _refused(arrival: Arrival, decision: Decision, view: AdmissionView) -> Admission:
    """The outcome of a refusal; what may be quoted later is kept for the next turn of the channel."""
    account, message, text = arrival.event.account, arrival.message, arrival.text
    if not (decision.history and text and view.settings.history_limit > 0):
        return dropped(account, message.id, decision.reason)
    sender = identity_of(message.author, message.nick)
    entry = history.HistoryEntry(
        message_id=message.id,
        sender=sender.label,
        sender_id=sender.id,
        timestamp_ms=snowflake_ms(message.id),
        body=text,
        username=sender.username,
        tag=sender.tag,
        roles=message.roles,
    )
    return Admission(
        (
            history.record(account, message.channel_id, entry),
            Outcome(account, message.id, "history", decision.reason),
        ),
        f"history · {decision.reason}",
    )
