"""A message: refused, a stop, a command, or a turn in its session's lane (MESSAGE_CREATE)."""

from __future__ import annotations

from dataclasses import replace

from shoal.base.errors import InvalidName
from shoal.state.effects import Outcome
from shoal.state.records import InboundEvent
from workers.access.decision import Decision
from workers.sessions.admission import service
from workers.sessions.admission.answers import inform
from workers.sessions.admission.arrival import ORDINARY, Arrival, arrive, counted
from workers.sessions.admission.commands import find_command
from workers.sessions.admission.copies import one_of_two
from workers.sessions.admission.hold import flush_push, hold, hold_lane
from workers.sessions.admission.noting import refused
from workers.sessions.admission.pairing import find_knock
from workers.sessions.admission.reasons import AdmissionReason
from workers.sessions.admission.results import Admission, Notice, dropped, record_identity
from workers.sessions.admission.stop import find_stop
from workers.sessions.admission.turns import start_turn
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Malformed, read_ids, read_message

__all__ = ["create", "fast_stop", "settle"]


def create(event: InboundEvent, view: AdmissionView) -> Admission:
    """What becomes of a message."""
    try:
        message = read_message(event.data)
    except Malformed as error:
        ids = read_ids(event.data, "id")
        effects = (Outcome(event.account, ids[0], "dropped", AdmissionReason.MALFORMED),) if ids else ()
        return Admission(effects, f"dropped · {AdmissionReason.MALFORMED} ({error})")
    arrival = inform(event, message, view)
    if event.history:
        return refused(arrival, _noted(arrival.decision), view)
    try:
        stop = find_stop(arrival, view)
        if stop is not None:
            return _flushing(stop, arrival, view)
        return hold(arrival, view) or _at_once(arrival, view)
    except InvalidName:
        return _nameless(arrival, view)


def _at_once(arrival: Arrival, view: AdmissionView) -> Admission:
    """The decision about a message that has not waited."""
    reason, effects = one_of_two(arrival, view)
    if reason:
        return dropped(arrival.event.account, arrival.message.id, reason)
    admission = _decide(arrival, view)
    return replace(admission, effects=(*effects, *admission.effects)) if effects else admission


def settle(arrival: Arrival, view: AdmissionView) -> Admission:
    """The decision about a message, or a batch, that has waited and waits for nothing any more."""
    try:
        stop = find_stop(arrival, view) if not arrival.parts else None
        return stop or _decide(arrival, view)
    except InvalidName:
        return _nameless(arrival, view)


def _nameless(arrival: Arrival, view: AdmissionView) -> Admission:
    reason = AdmissionReason.SESSION_KEY
    return refused(arrival, replace(arrival.decision, reason=reason, history=False), view)


def _decide(arrival: Arrival, view: AdmissionView) -> Admission:
    command = find_command(arrival, view) if not arrival.parts else None
    return command or _ordinary(arrival, view)


def _flushing(stop: Admission, arrival: Arrival, view: AdmissionView) -> Admission:
    """A stop, after which what its author was writing is not waited for any more."""
    lane = hold_lane(arrival.event.account, arrival.message)
    if not view.holds.holding(lane):
        return stop
    mark = flush_push(lane, arrival.event.account, arrival.message.id)
    return replace(stop, effects=(*stop.effects, mark))


def _ordinary(arrival: Arrival, view: AdmissionView) -> Admission:
    """A message that is no stop and no command."""
    if service.is_own_poll(arrival):
        return service.own_poll(arrival, view)
    if not arrival.decision.allowed:
        no = refused(arrival, arrival.decision, view)
        return find_knock(arrival, view) or _told(arrival, no, view)
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
