"""``interaction.ack``: answers a click or command within Discord's three seconds.

The answer is sent first and noted afterwards: if this process dies in between, the gateway's
back-stop sends a deferral, and Discord refuses whichever comes second (40060), which both
sides read as success (rule R10).
"""

from __future__ import annotations

from dataclasses import replace

from shoal.state.effects import Note
from shoal.state.records import Failure, Grant, InboundEvent, decode_event
from shoal.state.steps import Fail, Step
from tasks.inbound import commit_admission
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.components.clicks import ClickAnswer, answer_click
from workers.components.interaction import Interaction, read_interaction
from workers.components.respond import respond
from workers.components.strangers import answer_stranger
from workers.sessions.view import StoreView

__all__ = ["ack_lane"]

WHISPERING = b"whisper"
"""Entry of the journal: the person is about to be told something."""


def ack_lane(runtime: Runtime, lane: str) -> str:
    """Answer the interaction at the head of its lane, and go on with what follows from it."""

    def handle(grant: Grant, _context: TurnContext) -> Step:
        event = decode_event(grant.head.body)
        interaction = read_interaction(event.data)
        if interaction is None:
            return Fail(Failure.HANDLED, "interaction-unreadable", "It has no id or no token.")
        answer = _clicked(runtime, event, interaction) or answer_stranger(event, interaction)
        return _answered(runtime, grant, event, interaction, answer)

    return runtime.drain.run(lane, handle)


def _clicked(runtime: Runtime, event: InboundEvent, interaction: Interaction) -> ClickAnswer | None:
    """The answer to a click on a control of ours, or to a form of ours that was handed in."""
    if not interaction.of_control:
        return None
    view = StoreView(runtime.admission_settings(event.account), runtime.store)
    enabled = runtime.loaded.account(event.account).discord.agent_components.enabled
    return answer_click(event, interaction, view, runtime.store.controls, enabled=enabled)


def _answered(
    runtime: Runtime, grant: Grant, event: InboundEvent, interaction: Interaction, answer: ClickAnswer
) -> Step:
    def begin() -> bool:
        if any(entry == WHISPERING for _, entry in grant.journal):
            return False
        runtime.store.lanes.checkpoint(grant, grant.step + 1, journal=WHISPERING)
        return True

    trouble = ""
    if runtime.store.intake.acked(interaction.id) != "front":  # else it was answered by one who died then
        trouble = respond(runtime.rest(event.account), interaction, answer, begin)
        runtime.store.intake.ack(interaction.id, "front")
    admission, summary = answer.admission, answer.summary
    if trouble:
        note = Note(event.account, interaction.id, "interaction", trouble)
        admission, summary = replace(admission, effects=(*admission.effects, note)), f"{summary} · {trouble}"
    return commit_admission(runtime, admission, summary)
