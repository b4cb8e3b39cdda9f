"""A click: what is answered within three seconds, and what becomes of it (``spec/outbound.md`` 5.5).

    parse the id ─▶ is it remembered? ─▶ may this person talk here? ─▶ may he press this one?
        ─▶ first of all clicks? (Redis decides) ─▶ answer, and a turn in the conversation it belongs to

A refusal never uses a control up, and only the one who pressed sees it. What was used up is
greyed out by the answer itself; a reusable control beside it stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from shoal.discord.wire import InteractionCallback, InteractionType, MessageFlags
from shoal.state.controls import ControlRegistry
from shoal.state.effects import Outcome
from shoal.state.records import InboundEvent
from workers.access.decision import Reason
from workers.access.entries import AllowList
from workers.access.senders import admit
from workers.components.custom_ids import group_of, parse_control
from workers.components.encode import modal_data
from workers.components.entries import ControlEntry, FormEntry, decode_entry
from workers.components.greying import greyed
from workers.components.interaction import Interaction
from workers.components.legacy import note_legacy, read_legacy
from workers.components.refusals import denied_text, kind_word
from workers.components.told import speaks, told_of_control, told_of_form
from workers.delivery.texts import Language, language_named, say
from workers.sessions.admission.arrival import Arrival, arrive
from workers.sessions.admission.commands import find_command
from workers.sessions.admission.pairing import find_knock
from workers.sessions.admission.reasons import AdmissionReason
from workers.sessions.admission.results import Admission
from workers.sessions.admission.stop import find_stop
from workers.sessions.admission.turns import start_turn
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Snapshot, User, WireMessage

__all__ = ["ClickAnswer", "answer_click"]

OURS = ("occomp:", "ocmodal:", "agent:", "agentsel:")
"""Ids that begin so are nobody else's, even those that cannot be read."""

BY_CLICK = frozenset({"new", "reset", "activation", "queue", "status", "whoami", "help"})
"""Commands that a control may say for the one who uses it. An agent wrote what stands on it, so what grants
anything, or speaks for the bot's owner, is never among them (rule R16)."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClickAnswer:
    """What to send, and what follows.

    Attributes:
        type, data: the interaction's response.
        whisper: a text for the one who clicked, sent after the response.
        admission: the turn it makes, or the outcome of a refusal.
        summary: for Flower: no content.
    """

    type: int
    data: Json | None
    summary: str
    whisper: str = ""
    admission: Admission = field(default_factory=Admission)


def answer_click(
    event: InboundEvent,
    interaction: Interaction,
    view: AdmissionView,
    controls: ControlRegistry,
    *,
    enabled: bool = True,
) -> ClickAnswer | None:
    """Decide about a click or a form that was handed in; ``None`` if its id is none of ours.

    Calling it again for the same interaction gives the same.

    Args:
        enabled: ``agentComponents.enabled``; else what is on messages of before is no longer valid.
    """
    language = language_named(interaction.locale)
    old = read_legacy(interaction.custom_id)
    control = parse_control(interaction.custom_id)
    if old is None and control is None and not interaction.custom_id.startswith(OURS):
        return None
    wanted = (control.component or control.form) if control is not None else ""
    group = group_of(wanted)
    if not enabled or (old is None and group is None):
        return _invalid(event, interaction, language)
    if old is not None:
        return _old(event, interaction, old, view, language)
    assert group is not None
    raw = controls.look(event.account, group, wanted)
    entry = _entry(raw)
    lasting = controls.reusable(event.account, group)
    if entry is None:
        return _expired(event, interaction, language, lasting)
    arrival = _arrival(event, interaction, entry, view)
    refused = _refusal(arrival, entry, view)
    if refused:
        return _denied(arrival, interaction, kind_word(entry), refused, view, language)
    if isinstance(entry, ControlEntry) and entry.kind == "form-trigger":
        form = _entry(controls.look(event.account, group, entry.form))
        if not isinstance(form, FormEntry):
            return _expired(event, interaction, language, lasting)
        return ClickAnswer(InteractionCallback.MODAL, modal_data(form), "form shown")
    taken = controls.take(event.account, group, wanted, interaction.id)
    if taken.how != "taken":
        return _expired(event, interaction, language, lasting)
    return _taken(arrival, interaction, entry, view, lasting)


def _entry(raw: bytes | None) -> ControlEntry | FormEntry | None:
    if raw is None:
        return None
    try:
        return decode_entry(raw)
    except msgspec.DecodeError:
        return None  # of a newer version


def _arrival(
    event: InboundEvent, interaction: Interaction, entry: ControlEntry | FormEntry, view: AdmissionView
) -> Arrival:
    """The click as a message that names the bot, in the conversation its control belongs to."""
    text = (
        told_of_form(entry, interaction)
        if isinstance(entry, FormEntry)
        else told_of_control(entry, interaction)
    )
    arrival = arrive(event, _message(interaction, text, view), view)
    conversation = replace(arrival.conversation, session_key=entry.session_key, agent_id=entry.agent_id)
    return replace(arrival, conversation=conversation)


def _message(interaction: Interaction, text: str, view: AdmissionView) -> WireMessage:
    """A click as if the person had written ``text`` and named the bot."""
    return WireMessage(
        id=interaction.id,
        channel_id=interaction.channel_id,
        author=interaction.user,
        body=Snapshot(content=text),
        guild_id=interaction.guild_id,
        nick=interaction.nick,
        roles=interaction.roles,
        mentions=(User(view.bot_id),) if view.bot_id else (),
    )


def _refusal(arrival: Arrival, entry: ControlEntry | FormEntry, view: AdmissionView) -> str:
    """Why this person may not use this control; empty if he may."""
    if not arrival.decision.allowed:
        return arrival.decision.reason
    if entry.allowed_users and not _listed(entry.allowed_users, arrival, view):
        return Reason.SENDER_NOT_LISTED.value
    return ""


def _listed(users: tuple[str, ...], arrival: Arrival, view: AdmissionView) -> bool:
    """Ids, ``*`` and exact tags (decision 8); what is only like a name counts where names do."""
    if admit(AllowList.parse(users), arrival.facts, by_name=view.settings.access.by_name).match is not None:
        return True
    tag = arrival.facts.sender.tag.casefold()
    return bool(tag) and tag in (user.strip().removeprefix("@").casefold() for user in users)


def _taken(
    arrival: Arrival,
    interaction: Interaction,
    entry: ControlEntry | FormEntry,
    view: AdmissionView,
    lasting: frozenset[str],
) -> ClickAnswer:
    admission = _admission(arrival, interaction, entry, view)
    if entry.reusable or not interaction.components:
        return ClickAnswer(InteractionCallback.DEFERRED_UPDATE_MESSAGE, None, "clicked", admission=admission)
    data = {"components": [greyed(component, lasting) for component in interaction.components]}
    return ClickAnswer(InteractionCallback.UPDATE_MESSAGE, data, "clicked", admission=admission)


def _expired(
    event: InboundEvent, interaction: Interaction, language: Language, lasting: frozenset[str]
) -> ClickAnswer:
    """Used up, or too old: say so, and grey the controls out so that nobody else tries."""
    text = say(
        "form-expired" if interaction.type == InteractionType.MODAL_SUBMIT else "component-expired", language
    )
    reason = AdmissionReason.COMPONENT_EXPIRED
    told = Admission((Outcome(event.account, interaction.id, "dropped", reason),), f"dropped · {reason}")
    if not interaction.components:
        kind = InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE
        return ClickAnswer(kind, _ephemeral(text), "expired", admission=told)
    data = {"components": [greyed(component, lasting) for component in interaction.components]}
    return ClickAnswer(InteractionCallback.UPDATE_MESSAGE, data, "expired", whisper=text, admission=told)


def _admission(
    arrival: Arrival, interaction: Interaction, entry: ControlEntry | FormEntry, view: AdmissionView
) -> Admission:
    """A turn; or, where the control speaks for the person, the command it says with his authority."""
    said = None
    if speaks(entry):
        known = arrival.command is not None and arrival.command.name in BY_CLICK
        said = find_stop(arrival, view) or (find_command(arrival, view) if known else None)
    return said or start_turn(arrival, view, clicked_on=interaction.message_id)


def _old(
    event: InboundEvent, interaction: Interaction, old: str, view: AdmissionView, language: Language
) -> ClickAnswer:
    """A control of messages made before there was a registry: the next turn hears of it, no turn starts."""
    arrival = arrive(event, _message(interaction, old, view), view)
    if not arrival.decision.allowed:
        word = "select menu" if interaction.values else "button"
        return _denied(arrival, interaction, word, arrival.decision.reason, view, language)
    admission = note_legacy(arrival, interaction, old)
    kind = InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE
    return ClickAnswer(kind, _ephemeral("✓"), admission.summary, admission=admission)


def _invalid(event: InboundEvent, interaction: Interaction, language: Language) -> ClickAnswer:
    """An id nobody here makes any more, or controls are switched off."""
    reason = AdmissionReason.COMPONENT_INVALID
    told = Admission((Outcome(event.account, interaction.id, "dropped", reason),), f"dropped · {reason}")
    kind = InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE
    return ClickAnswer(kind, _ephemeral(say("component-invalid", language)), "invalid", admission=told)


def _denied(
    arrival: Arrival,
    interaction: Interaction,
    word: str,
    reason: str,
    view: AdmissionView,
    language: Language,
) -> ClickAnswer:
    """Only he sees it; a stranger in private gets his pairing code as by a message."""
    # a reason of its own: a press is never mere chatter, whose drops are not all stored
    outcome = Outcome(arrival.event.account, interaction.id, "dropped", f"click-{reason}")
    return ClickAnswer(
        InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE,
        _ephemeral(denied_text(word, reason, language)),
        f"denied · {reason}",
        admission=find_knock(arrival, view) or Admission((outcome,), f"dropped · {reason}"),
    )


def _ephemeral(text: str) -> Json:
    return {"content": text, "flags": int(MessageFlags.EPHEMERAL)}
