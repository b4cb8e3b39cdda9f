"""A message that wants a turn: its record in the lane of its conversation.

How it queues is decided here, before anything runs, so that ``steer``, ``collect`` and
``interrupt`` are real (rule R7): the record says it, and the holder of the lane acts on it.
"""

from __future__ import annotations

from dataclasses import replace

from shoal.state.effects import Note, Push
from shoal.state.records import Record
from workers.sessions.admission.arrival import Arrival, counted
from workers.sessions.admission.request import turn_request
from workers.sessions.admission.results import Admission, FilesWanted, StopBound, record_identity
from workers.sessions.keys import session_lane
from workers.sessions.records import KIND, TurnRequest, encode
from workers.sessions.view import AdmissionView

__all__ = ["push_turn", "start_turn"]


def start_turn(arrival: Arrival, view: AdmissionView) -> Admission:
    """Push the message into its session's lane. It has no outcome yet: its turn will write it."""
    key = arrival.conversation.session_key
    queue = view.settings.queue.within(view.session(key))
    busy = view.depth(session_lane(key)) > 0
    request = turn_request(arrival, view, mode=queue.mode, queued=busy)
    delay_ms = queue.debounce_ms if queue.mode == "collect" and busy else 0
    # interrupt is "stop everything older" and an ordinary message
    admission = push_turn(request, delay_ms=delay_ms, stops=queue.mode == "interrupt")
    return replace(admission, effects=(*admission.effects, *counted(arrival)))


def push_turn(request: TurnRequest, *, delay_ms: int = 0, stops: bool = False) -> Admission:
    """The record of a request; with ``stops`` everything older of its conversation ends."""
    lane = session_lane(request.session_key)
    record = Record(
        identity=record_identity(request.account, request.message_id),
        kind=KIND,
        body=encode(request),
        born=request.born_ms,
        mode=request.mode,
        scope=f"{request.account}|{request.channel_id}|{request.authority}",
        account=request.account,
        message_id=request.message_id,
    )
    return Admission(
        (
            Push(lane, record, delay_ms=delay_ms),
            Note(request.account, request.message_id, "session", request.session_key),
        ),
        f"admitted · {request.agent_id}",
        stop=StopBound(lane, request.born_ms, request.message_id) if stops else None,
        files=FilesWanted(lane, record.identity) if request.has_files else None,
    )
