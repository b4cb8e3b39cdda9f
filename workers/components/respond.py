"""Sending the answer of a click within Discord's three seconds, whoever else has answered already.

Where the gateway's back-stop was first (40060, rule R10), its deferral has bought time: what was to be
shown is edited in or whispered instead. Only a form can no longer be opened then, and the person is
asked to press again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.codes import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION
from shoal.discord.errors import DiscordError
from shoal.discord.interactions import InteractionCalls
from shoal.discord.wire import InteractionCallback, MessageFlags
from workers.components.clicks import ClickAnswer
from workers.components.interaction import Interaction
from workers.delivery.texts import say

__all__ = ["respond"]

log = get_logger(__name__)


def respond(calls: InteractionCalls, interaction: Interaction, answer: ClickAnswer) -> None:
    """Answer, then whisper.

    Raises:
        DiscordError, TransportError: it may be tried again; nobody has answered yet.
    """
    try:
        calls.create_interaction_response(
            interaction.id, interaction.token, type=answer.type, data=answer.data
        )
    except DiscordError as error:
        if error.json_code == UNKNOWN_INTERACTION:
            log.warning("a click was answered too late", interaction=interaction.id)
            return  # Discord has told the person; what he clicked still counts
        if error.json_code != ALREADY_ACKNOWLEDGED:
            raise
        _afterwards(calls, interaction, answer)
        return
    if answer.whisper:
        _whisper(calls, interaction, answer.whisper)


def _afterwards(calls: InteractionCalls, interaction: Interaction, answer: ClickAnswer) -> None:
    """The gateway's deferral is out: show what was to be shown by other means."""
    data = answer.data or {}
    if answer.type == InteractionCallback.UPDATE_MESSAGE:
        _softly(lambda: calls.edit_original_response(interaction.application_id, interaction.token, data))
    if answer.type == InteractionCallback.MODAL:
        _whisper(
            calls, interaction, say("press-again", "zh" if interaction.locale.startswith("zh") else "en")
        )
    elif answer.type == InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE:
        _whisper(calls, interaction, str(data.get("content") or ""))
    elif answer.whisper:
        _whisper(calls, interaction, answer.whisper)


def _whisper(calls: InteractionCalls, interaction: Interaction, text: str) -> None:
    body = {"content": text, "flags": int(MessageFlags.EPHEMERAL)}
    _softly(lambda: calls.create_followup(interaction.application_id, interaction.token, body))


def _softly(call: Callable[[], Any]) -> None:
    """What comes after the answer is a courtesy: its failure is told and costs nothing else."""
    try:
        call()
    except ShoalError as error:
        log.warning("an interaction could not be followed up", code=error.code, error=error)
