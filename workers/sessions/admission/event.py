"""Admission: what becomes of one event from Discord.

    event ─▶ read ─▶ access ─▶ stop? ─▶ route ─▶ push into the session's lane
                        └─▶ refused: an outcome with its reason; history where quotable

Pure but for the Redis reads behind the view (rule R18). The answer is a list of effects for
the commit of the inbound lane, and at most one stop that is written before it. Equal input
gives equal effects, so an admission that is repeated after a crash does nothing twice.

Every message gets its outcome here or takes it along: a record pushed into a session lane
carries account and message id, and whoever ends that record writes the outcome.
"""

from __future__ import annotations

from collections.abc import Callable

from shoal.state.records import InboundEvent
from workers.sessions.admission import edits, message, places, reactions
from workers.sessions.admission.results import Admission
from workers.sessions.view import AdmissionView

__all__ = ["admit"]

_HANDLERS: dict[str, Callable[[InboundEvent, AdmissionView], Admission]] = {
    "MESSAGE_CREATE": message.create,
    "MESSAGE_UPDATE": edits.update,
    "MESSAGE_DELETE": edits.delete,
    "MESSAGE_DELETE_BULK": edits.delete,
    "MESSAGE_REACTION_ADD": reactions.reaction,
    "MESSAGE_REACTION_REMOVE": reactions.reaction,
    "MESSAGE_REACTION_REMOVE_ALL": reactions.cleared,
    "MESSAGE_REACTION_REMOVE_EMOJI": reactions.cleared,
    "CHANNEL_DELETE": places.channel_gone,
    "THREAD_DELETE": places.channel_gone,
    "THREAD_UPDATE": places.thread_update,
    "GUILD_DELETE": places.guild_gone,
}
"""Dispatch name → what is made of it. Others make no message of ours that could be explained."""


def admit(event: InboundEvent, view: AdmissionView, *, fast: bool = False) -> Admission:
    """Decide about one event.

    Args:
        event: body of the head of an inbound, hold or fast lane.
        view: settings and facts of the event's account.
        fast: the event came by the fast lane for abort words: only a stop is looked for; the ordered
            record closes the ledger.
    """
    if fast:
        return message.fast_stop(event, view) if event.event == "MESSAGE_CREATE" else Admission()
    handler = _HANDLERS.get(event.event)
    if handler is None:
        return Admission(summary=f"ignored · {event.event.lower().replace('_', '-')}")
    return handler(event, view)
