"""Messages that start nothing, kept so that a later turn may quote them (``spec/inbound.md`` 4.6)."""

from __future__ import annotations

from shoal.base.ids import snowflake_ms
from shoal.state.effects import Effect, Outcome
from workers.access.decision import Decision
from workers.sessions import history
from workers.sessions.admission.arrival import ORDINARY, Arrival, Part
from workers.sessions.admission.results import Admission
from workers.sessions.identity import Identity
from workers.sessions.text import attachments_of
from workers.sessions.view import AdmissionView

__all__ = ["history_entry", "refused"]


def refused(arrival: Arrival, decision: Decision, view: AdmissionView) -> Admission:
    """The outcome of a refusal; what may be quoted later is kept for the next turn of the channel."""
    account, reason = arrival.event.account, decision.reason
    effects: list[Effect] = []
    quotable = decision.history and view.settings.history_limit > 0
    for part in arrival.said:
        noted = quotable and bool(part.text)
        if noted:
            entry = history_entry(part, arrival.sender, arrival.facts.sender.id)
            effects.append(history.record(account, part.message.channel_id, entry))
        effects.append(Outcome(account, part.message.id, "history" if noted else "dropped", reason))
    word = "history" if len(effects) > len(arrival.said) else "dropped"
    return Admission(
        tuple(effects), f"{word} · {reason}", contentless=account if _contentless(arrival) else ""
    )


def _contentless(arrival: Arrival) -> bool:
    """Nobody can write such a message. Without the Message Content intent all look like this that do not
    name the bot (``spec/inbound.md`` 6.1)."""
    message = arrival.message
    person = not message.author.bot and message.webhook_id is None
    return not arrival.text and person and message.guild_id is not None and message.type in ORDINARY


def history_entry(part: Part, sender: Identity, sender_id: str = "") -> history.HistoryEntry:
    """What later turns may quote of a message. ``sender_id`` is the id lists know the sender by."""
    message = part.message
    return history.HistoryEntry(
        message_id=message.id,
        sender=sender.label,
        sender_id=sender_id or sender.id,
        timestamp_ms=snowflake_ms(message.id),
        body=part.text,
        username=sender.username,
        tag=sender.tag,
        roles=message.roles,
        files=attachments_of(message, with_forwarded=False),
    )
