"""Sending the answer of a click within Discord's three seconds, whoever else has answered already.

    40060           the gateway's back-stop was first (rule R10) and has bought time: what was to be shown is
                    edited in or whispered. Only a form can no longer be opened: press again
    10062           too late: Discord has told the person that it failed. The message is greyed out by an
                    ordinary edit, since its control is used up; nothing can be whispered
    other refusals  of an update: the click is acknowledged without it

In each case the click counts, and what came of its answer stands in ``shoal explain``. Tokens of interactions
end after 15 minutes. Turns never answer through them, but in the channel: a click that waited long is
answered all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.codes import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION
from shoal.discord.errors import DiscordError
from shoal.discord.interactions import InteractionCalls
from shoal.discord.rest import Rest
from shoal.discord.wire import InteractionCallback, MessageFlags
from workers.components.clicks import ClickAnswer
from workers.components.interaction import Interaction
from workers.delivery.texts import language_named, say

__all__ = ["respond"]

log = get_logger(__name__)

Json = dict[str, Any]


def respond(rest: Rest, interaction: Interaction, answer: ClickAnswer) -> str:
    """Answer, then whisper; returns what stood in the way, empty if nothing did.

    Raises:
        DiscordError, TransportError: it may be tried again; nobody has answered yet.
    """
    calls = InteractionCalls(rest)
    try:
        said = _acknowledge(calls, interaction, answer)
    except DiscordError as error:
        if error.json_code == UNKNOWN_INTERACTION:
            log.warning("a click was answered too late", interaction=interaction.id)
            _edit_message(rest, interaction, answer)
            return f"too late to answer ({UNKNOWN_INTERACTION})"
        if error.json_code != ALREADY_ACKNOWLEDGED:
            raise
        _afterwards(rest, interaction, answer)
        return f"somebody else answered first ({ALREADY_ACKNOWLEDGED})"
    if answer.whisper:
        _whisper(calls, interaction, answer.whisper)
    return said


def _acknowledge(calls: InteractionCalls, interaction: Interaction, answer: ClickAnswer) -> str:
    """Send the answer, without its update or form where Discord finds fault with that; empty if not."""
    try:
        _send(calls, interaction, answer.type, answer.data)
    except DiscordError as error:
        update, form = InteractionCallback.UPDATE_MESSAGE, InteractionCallback.MODAL
        finds_fault = error.status == 400 and error.json_code != ALREADY_ACKNOWLEDGED
        if not finds_fault or answer.type not in (update, form):
            raise
        if answer.type == form:
            log.error("a form could not be opened", interaction=interaction.id, error=error)
            text = say("form-not-opened", language_named(interaction.locale))
            told = {"content": text, "flags": int(MessageFlags.EPHEMERAL)}
            _send(calls, interaction, InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE, told)
            return f"the form could not be opened ({error.json_code or error.status})"
        log.warning("a message could not be greyed out", interaction=interaction.id, error=error)
        _send(calls, interaction, InteractionCallback.DEFERRED_UPDATE_MESSAGE, None)
        return f"acknowledged without changing the message ({error.json_code or error.status})"
    return ""


def _send(calls: InteractionCalls, interaction: Interaction, kind: int, data: Json | None) -> None:
    calls.create_interaction_response(interaction.id, interaction.token, type=kind, data=data)


def _afterwards(rest: Rest, interaction: Interaction, answer: ClickAnswer) -> None:
    """A deferral is out: show what was to be shown by other means."""
    calls, data = InteractionCalls(rest), answer.data or {}
    _edit_message(rest, interaction, answer)
    if answer.type == InteractionCallback.MODAL:
        _whisper(calls, interaction, say("press-again", language_named(interaction.locale)))
    elif answer.type == InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE:
        _whisper(calls, interaction, str(data.get("content") or ""))
    elif answer.whisper:
        _whisper(calls, interaction, answer.whisper)


def _edit_message(rest: Rest, interaction: Interaction, answer: ClickAnswer) -> None:
    """An update as an ordinary edit: the message is ours, and no token is needed that may have ended."""
    if answer.type != InteractionCallback.UPDATE_MESSAGE:
        return
    components = (answer.data or {}).get("components") or []
    _softly(
        lambda: rest.edit_message(
            interaction.channel_id, MessageId(interaction.message_id), components=components
        )
    )


def _whisper(calls: InteractionCalls, interaction: Interaction, text: str) -> None:
    body = {"content": text, "flags": int(MessageFlags.EPHEMERAL)}
    _softly(lambda: calls.create_followup(interaction.application_id, interaction.token, body))


def _softly(call: Callable[[], Any]) -> None:
    """What comes after the answer is a courtesy: its failure is told and costs nothing else."""
    try:
        call()
    except ShoalError as error:
        log.warning("an interaction could not be followed up", code=error.code, error=error)
