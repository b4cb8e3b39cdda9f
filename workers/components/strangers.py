"""Interactions that nothing of ours made, or that nobody here makes any more: they are answered, too.

Commands that a program before us had registered, and controls of its messages. Unanswered, Discord would tell
people that the application does not respond.
"""

from __future__ import annotations

from shoal.discord.wire import InteractionCallback, InteractionType, MessageFlags
from shoal.state.effects import Outcome
from shoal.state.records import InboundEvent
from workers.components.clicks import ClickAnswer
from workers.components.interaction import Interaction
from workers.delivery.texts import language_named, say
from workers.sessions.admission.reasons import AdmissionReason
from workers.sessions.admission.results import Admission

__all__ = ["answer_stranger"]


def answer_stranger(event: InboundEvent, interaction: Interaction) -> ClickAnswer:
    """Say so to the one who acted; words that are being typed get no completions."""
    if interaction.type == InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE:
        kind = InteractionCallback.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT
        return ClickAnswer(kind, {"choices": []}, "no completions")
    reason = AdmissionReason.INTERACTION_UNKNOWN
    told = Admission((Outcome(event.account, interaction.id, "dropped", reason),), f"dropped · {reason}")
    text = say("interaction-expired", language_named(interaction.locale))
    data = {"content": text, "flags": int(MessageFlags.EPHEMERAL)}
    return ClickAnswer(InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE, data, "unknown", admission=told)
