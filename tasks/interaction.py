"""``interaction.ack``: answers a click or command within Discord's three seconds.

The answer is sent first and noted afterwards: if this process dies in between, the gateway's
back-stop sends a deferral, and Discord refuses whichever comes second (40060), which both
sides read as success (rule R10). Where the gateway was first and its deferral shows "thinking …",
the answer is written into that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from shoal.discord.codes import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION
from shoal.discord.errors import DiscordError, NotFound
from shoal.discord.interactions import InteractionCalls
from shoal.discord.wire import InteractionCallback, InteractionType, MessageFlags
from shoal.state.effects import Note
from shoal.state.records import Grant, InboundEvent, decode_event
from shoal.state.steps import Commit, Step
from tasks.inbound import commit_admission
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.components.clicks import answer_click
from workers.components.interaction import read_interaction
from workers.components.respond import respond
from workers.delivery.texts import language_named, say
from workers.sessions.view import StoreView

__all__ = ["ack_lane"]


class _Interaction(msgspec.Struct):
    id: str
    token: str
    type: int
    application_id: str = ""
    locale: str = ""
    message: msgspec.Raw = msgspec.Raw(b"")

    @property
    def of_message(self) -> bool:
        """It comes from a message's component, directly or by a modal: deferring shows nothing."""
        return bytes(self.message) not in (b"", b"null")


def ack_lane(runtime: Runtime, lane: str) -> str:
    """Answer the interaction at the head of its lane."""

    def handle(grant: Grant, _context: TurnContext) -> Step:
        event = decode_event(grant.head.body)
        clicked = _clicked(runtime, event)
        if clicked is not None:
            return clicked
        interaction = msgspec.json.decode(event.data, type=_Interaction)
        summary = _answer(runtime, event.account, interaction)
        runtime.store.intake.ack(interaction.id, "front")
        return Commit((), summary)

    return runtime.drain.run(lane, handle)


_OF_MESSAGES = (InteractionType.MESSAGE_COMPONENT, InteractionType.MODAL_SUBMIT)


def _clicked(runtime: Runtime, event: InboundEvent) -> Step | None:
    """A click on a control of ours, or a form of ours that was handed in: the answer, then what follows."""
    interaction = read_interaction(event.data)
    if interaction is None or interaction.type not in _OF_MESSAGES:
        return None
    view = StoreView(runtime.admission_settings(event.account), runtime.store)
    enabled = runtime.loaded.account(event.account).discord.agent_components.enabled
    answer = answer_click(event, interaction, view, runtime.store.controls, enabled=enabled)
    if answer is None:
        return None
    trouble = ""
    if runtime.store.intake.acked(interaction.id) != "front":  # else it was answered by one who died then
        trouble = respond(runtime.rest(event.account), interaction, answer)
        runtime.store.intake.ack(interaction.id, "front")
    admission, summary = answer.admission, answer.summary
    if trouble:
        note = Note(event.account, interaction.id, "interaction", trouble)
        admission, summary = replace(admission, effects=(*admission.effects, note)), f"{summary} · {trouble}"
    return commit_admission(runtime, admission, summary)


def _answer(runtime: Runtime, account: str, interaction: _Interaction) -> str:
    kind, data = _reply(interaction)
    try:
        InteractionCalls(runtime.rest(account)).create_interaction_response(
            interaction.id, interaction.token, type=kind, data=data
        )
    except DiscordError as error:
        if error.json_code == ALREADY_ACKNOWLEDGED:
            return _fill_in(runtime, account, interaction, data)
        if error.json_code == UNKNOWN_INTERACTION:
            return "too late"  # Discord has told the user; another try cannot change it
        raise
    return "answered"


_THINKING = (InteractionType.APPLICATION_COMMAND, InteractionType.MODAL_SUBMIT)


def _fill_in(runtime: Runtime, account: str, interaction: _Interaction, data: dict[str, Any] | None) -> str:
    """Somebody was first. A deferral that shows "thinking …" becomes the answer; nothing else needs one.

    Which it is follows from the kind, not from what the gateway noted: its note comes after its deferral.
    If it was ourselves in an earlier life, our answer is edited into itself.
    """
    shows = interaction.type in _THINKING and not interaction.of_message
    if (
        data is None
        or not (shows and interaction.application_id)
        or runtime.store.intake.acked(interaction.id) == "front"
    ):
        return "acknowledged by the gateway"
    try:
        InteractionCalls(runtime.rest(account)).edit_original_response(
            interaction.application_id, interaction.token, {"content": data["content"]}
        )
    except NotFound:
        return "too late"  # the token has ended, or the user dismissed it
    return "answered into the gateway's deferral"


def _reply(interaction: _Interaction) -> tuple[int, dict[str, Any] | None]:
    """Nothing of ours that lives any more made this: say so, to the one who clicked."""
    if interaction.type == InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE:
        return InteractionCallback.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT, {"choices": []}
    language = language_named(interaction.locale)
    return InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE, {
        "content": say("interaction-expired", language),
        "flags": int(MessageFlags.EPHEMERAL),
    }
