"""Stops: ``/stop`` and whole-message abort words (rule R7)."""

from __future__ import annotations

from shoal.base.aborts import is_abort_word, is_stop_command
from shoal.base.ids import snowflake_ms
from shoal.state.effects import Note, Outcome
from workers.access.decision import Reason
from workers.sessions.admission.arrival import ORDINARY, Arrival
from workers.sessions.admission.hold import hold_lane
from workers.sessions.admission.results import (
    Admission,
    Notice,
    StopBound,
    dropped,
    place_of,
    record_identity,
)
from workers.sessions.keys import session_lane
from workers.sessions.text_commands import command_text
from workers.sessions.view import AdmissionView

__all__ = ["find_stop", "stop_place"]


def find_stop(arrival: Arrival, view: AdmissionView) -> Admission | None:
    """A stop, or the refusal of one, or ``None``: the message is something else.

    ``/stop`` needs no mention. A bare abort word without one is a stop only while something runs;
    people say "wait" to each other too.

    In private it ends what came from there: where DMs share a session, one person's word ends nobody else's
    turn, unless it is an owner's.
    """
    message, facts, decision = arrival.message, arrival.facts, arrival.decision
    content, bot_id, account = command_text(message.body.content), facts.bot_id, view.settings.account
    command = is_stop_command(content, bot_id) and view.settings.access.text_commands
    if message.type not in ORDINARY or not (command or is_abort_word(content, bot_id)):
        return None
    addressed = decision.heard and (
        facts.surface.kind == "direct" or bool(decision.mentioned_by) or not decision.mention_required
    )
    if not addressed and not (decision.history and decision.authorized):
        return None  # not for us, or not by somebody we listen to: access has its own word for that
    if not decision.authorized:
        return dropped(account, message.id, Reason.COMMAND_UNAUTHORIZED) if command else None
    session_key = arrival.conversation.session_key
    lane = session_lane(session_key)
    busy = view.depth(lane) > 0 or view.holds.holding(hold_lane(account, message))
    if not command and not busy and not decision.mentioned_by and facts.surface.kind != "direct":
        return None
    return Admission(
        effects=(
            Outcome(account, message.id, "control", "stop"),
            Note(account, message.id, "session", session_key),
        ),
        summary="control · stop",
        stop=StopBound(lane, snowflake_ms(message.id), message.id, place=stop_place(arrival)),
        notice=Notice(
            account,
            message.channel_id,
            message.guild_id,
            message.id,
            record_identity(account, message.id),
            "stopped",
            view.settings.language,
        ),
    )


def stop_place(arrival: Arrival) -> str:
    """What a stop of this sender may end: the place of a direct message, unless an owner wrote it; empty for
    all of the session."""
    if arrival.decision.owner or arrival.conversation.chat_type != "direct":
        return ""
    return place_of(arrival.event.account, arrival.message.channel_id)
