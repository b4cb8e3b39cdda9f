"""A message that wants a turn: its record in the lane of its conversation.

How it queues is decided here, before anything runs, so that ``steer``, ``collect`` and
``interrupt`` are real (rule R7): the record says it, and the holder of the lane acts on it.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from shoal.state.effects import Effect, Note, Outcome, Push
from shoal.state.lookups import Asked
from shoal.state.records import Record
from workers.sessions.admission.arrival import Arrival, counted
from workers.sessions.admission.interrupt import may_interrupt
from workers.sessions.admission.overflow import QUEUE_FULL, make_room
from workers.sessions.admission.request import turn_request
from workers.sessions.admission.results import Admission, FilesWanted, StopBound, record_identity
from workers.sessions.auto_threads import auto_thread, in_thread
from workers.sessions.earlier import earlier_pictures
from workers.sessions.keys import session_lane
from workers.sessions.records import KIND, TurnRequest, encode
from workers.sessions.view import AdmissionView

__all__ = ["push_turn", "start_turn"]


def start_turn(arrival: Arrival, view: AdmissionView, *, clicked_on: str = "") -> Admission:
    """Push the message into its session's lane. It has no outcome yet: its turn will write it.

    Args:
        clicked_on: the message of the component that was clicked, where the arrival is a click.
    """
    key = arrival.conversation.session_key
    queue = view.settings.queue.within(view.session(key))
    auto = None
    if not clicked_on and not arrival.conversation.coding:
        auto = auto_thread(arrival.message, arrival.facts, arrival.decision, view.settings)
    depth = view.depth(session_lane(auto.session_key if auto else key))
    request = turn_request(arrival, view, mode=queue.mode, queued=depth > 0)
    if clicked_on:  # a click is no message: there is nothing that could be acknowledged by a reaction
        request = msgspec.structs.replace(request, clicked_on=clicked_on, ack="")
    else:
        earlier = () if depth or auto is not None else earlier_pictures(request, view, arrival.context)
        request = msgspec.structs.replace(request, auto_thread=auto, earlier=earlier)
    stops = queue.mode == "interrupt" and depth > 0 and may_interrupt(request, view)
    room: tuple[Effect, ...] = ()
    if depth > queue.cap and not stops:
        made = make_room(request, queue, view)
        if made is None:
            return _full(request)
        room = made
    delay_ms = queue.debounce_ms if queue.mode == "collect" and depth else 0
    admission = push_turn(request, delay_ms=delay_ms, stops=stops)
    if Asked(request.account, "files", arrival.message.id) in arrival.answers and not request.earlier:
        admission = replace(admission, files=None)  # they were fetched while the message was held
    return replace(admission, effects=(*room, *admission.effects, *counted(arrival)))


def _full(request: TurnRequest) -> Admission:
    """No room: the newest gives way, and so does every message it stands for."""
    outcomes = [Outcome(request.account, known, "dropped", QUEUE_FULL) for known in request.all_message_ids]
    return Admission(tuple(outcomes), f"dropped · {QUEUE_FULL}")


def push_turn(
    request: TurnRequest, *, delay_ms: int = 0, stops: bool = False, stop_place: str = ""
) -> Admission:
    """The record of a request; with ``stops`` everything older of its conversation (or of a place) ends.

    One that is to be answered in a thread of its own goes into the lane of that thread.
    """
    placed = in_thread(request)
    lane = session_lane(placed.session_key)
    record = Record(
        identity=record_identity(request.account, request.message_id),
        kind=KIND,
        body=encode(request),
        born=request.born_ms,
        mode=request.mode,
        scope=placed.scope,
        account=request.account,
        message_id=request.message_id,
    )
    return Admission(
        (
            Push(lane, record, delay_ms=delay_ms),
            *(
                Note(request.account, known, "session", placed.session_key)
                for known in request.all_message_ids
            ),
        ),
        f"admitted · {placed.agent_id}",
        stop=StopBound(lane, request.born_ms, request.message_id, place=stop_place) if stops else None,
        files=FilesWanted(lane, record.identity) if request.has_files else None,
    )
