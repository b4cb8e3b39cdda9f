"""A stranger's first word in private: a request for pairing, no answer (``spec/inbound.md`` 3.3)."""

from __future__ import annotations

from shoal.state.effects import Outcome
from workers.access.pairing import asks_for_pairing
from workers.sessions.admission.arrival import ORDINARY, Arrival
from workers.sessions.admission.results import Admission, Knock, record_identity
from workers.sessions.view import AdmissionView

__all__ = ["find_knock"]


def find_knock(arrival: Arrival, view: AdmissionView) -> Admission | None:
    """The request this refused message makes, or ``None``: it makes none.

    Whether it is a new one, one that still waits or one too many is decided by the commit, so that two
    workers cannot both be the first. What comes back after a gap (history) asks for nothing.
    """
    message, event = arrival.message, arrival.event
    if event.history or message.type not in ORDINARY:
        return None
    if not asks_for_pairing(arrival.facts, arrival.decision, view.settings.access):
        return None
    sender = arrival.facts.sender
    knock = Knock(
        account=event.account,
        sender=sender.id,
        tag=sender.tag,
        name=message.author.global_name or message.author.username,
        channel_id=message.channel_id,
        message_id=message.id,
        cause=record_identity(event.account, message.id),
        language=view.settings.language,
    )
    # of what was gathered the newest message asks; the others wait with it
    others = (part.message.id for part in arrival.said if part.message.id != message.id)
    effects = tuple(Outcome(event.account, other, "pairing", "waiting") for other in others)
    return Admission(effects, "pairing", knock=knock)
