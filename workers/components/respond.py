"""Sending the answer of an interaction within Discord's three seconds, whoever else has answered already.

    40060           the gateway's back-stop was first (rule R10) and has bought time: what was to be shown is
                    written into its "thinking …", edited in or whispered. Only a form can no longer be
                    opened: press again. Or somebody of ours was first and died; then it is seen already
    10062           too late: Discord has told the person that it failed. The message is greyed out by an
                    ordinary edit, since its control is used up; nothing can be whispered
    other refusals  of an update: the click is acknowledged without it

In each case the click counts, and what came of its answer stands in ``shoal explain``. Tokens of interactions
end after 15 minutes. Turns never answer through them, but in the channel: a click that waited long is
answered all the same.

A whisper has no nonce and cannot be looked for, so it is begun once and never repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
FIRST = f"somebody else answered first ({ALREADY_ACKNOWLEDGED})"
LATE = f"too late to answer ({UNKNOWN_INTERACTION})"
WHISPERED = "interrupted while somebody was told of it; not told again"


def respond(rest: Rest, interaction: Interaction, answer: ClickAnswer, begin: Callable[[], bool]) -> str:
    """Answer, then whisper; returns what stood in the way, empty if nothing did.

    Args:
        begin: notes that a whisper is about to be sent; false if an earlier holder had come so far.

    Raises:
        DiscordError, TransportError: it may be tried again; nobody has answered yet.
        StaleGrant: from ``begin``: it is somebody else's to answer.
    """
    one = _Response(rest, InteractionCalls(rest), interaction, answer, begin)
    try:
        said = one.acknowledge()
    except DiscordError as error:
        if error.json_code == UNKNOWN_INTERACTION:
            log.warning("an interaction was answered too late", interaction=interaction.id)
            one.edit_message()
            return LATE
        if error.json_code != ALREADY_ACKNOWLEDGED:
            raise
        return one.afterwards()
    return one.whisper(answer.whisper) or said


@dataclass(frozen=True, slots=True)
class _Response:
    rest: Rest
    calls: InteractionCalls
    interaction: Interaction
    answer: ClickAnswer
    begin: Callable[[], bool]

    def acknowledge(self) -> str:
        """Send the answer, without its update or form where Discord finds fault with that; empty if not."""
        answer, interaction = self.answer, self.interaction
        try:
            self._send(answer.type, answer.data)
        except DiscordError as error:
            update, form = InteractionCallback.UPDATE_MESSAGE, InteractionCallback.MODAL
            finds_fault = error.status == 400 and error.json_code != ALREADY_ACKNOWLEDGED
            if not finds_fault or answer.type not in (update, form):
                raise
            if answer.type == form:
                log.error("a form could not be opened", interaction=interaction.id, error=error)
                told = _ephemeral(say("form-not-opened", language_named(interaction.locale)))
                self._send(InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE, told)
                return f"the form could not be opened ({error.json_code or error.status})"
            log.warning("a message could not be greyed out", interaction=interaction.id, error=error)
            self._send(InteractionCallback.DEFERRED_UPDATE_MESSAGE, None)
            return f"acknowledged without changing the message ({error.json_code or error.status})"
        return ""

    def afterwards(self) -> str:
        """Somebody was first: show what was to be shown by other means."""
        text = self._words() if self.interaction.application_id else ""
        self.edit_message()
        if not text:
            return FIRST
        if self.answer.type != InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE:
            return self.whisper(text) or FIRST
        if self.interaction.shows_thinking:  # if it was one of ours, this edits the answer into itself
            names = (self.interaction.application_id, self.interaction.token)
            self._softly(lambda: self.calls.edit_original_response(*names, {"content": text}))
        elif not self._is_there(text):
            return self.whisper(text) or FIRST
        return FIRST

    def _words(self) -> str:
        """What only the one who acted is to read."""
        if self.answer.type == InteractionCallback.MODAL:
            return say("press-again", language_named(self.interaction.locale))
        if self.answer.type == InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE:
            return str((self.answer.data or {}).get("content") or "")
        return self.answer.whisper

    def _is_there(self, text: str) -> bool:
        """Whether the answer that is there is this one: sent by a holder that died then.

        The gateway's deferral of a control leads to the message the control is on.
        """
        found: list[Json] = []
        names = (self.interaction.application_id, self.interaction.token)
        self._softly(lambda: found.append(self.calls.get_original_response(*names)))
        flags = int(found[0].get("flags") or 0) if found else 0
        return bool(flags & MessageFlags.EPHEMERAL) and found[0].get("content") == text

    def edit_message(self) -> None:
        """An update as an ordinary edit: the message is ours, and no token is needed that may have ended."""
        if self.answer.type != InteractionCallback.UPDATE_MESSAGE:
            return
        components = (self.answer.data or {}).get("components") or []
        place = (self.interaction.channel_id, MessageId(self.interaction.message_id))
        self._softly(lambda: self.rest.edit_message(*place, components=components))

    def whisper(self, text: str) -> str:
        """Tell the one who acted, once; returns why that is not known to have happened, empty if it is."""
        names = (self.interaction.application_id, self.interaction.token)
        if not text:
            return ""
        if not self.begin():
            return WHISPERED
        self._softly(lambda: self.calls.create_followup(*names, _ephemeral(text)))
        return ""

    def _send(self, kind: int, data: Json | None) -> None:
        self.calls.create_interaction_response(
            self.interaction.id, self.interaction.token, type=kind, data=data
        )

    def _softly(self, call: Callable[[], Any]) -> None:
        """What comes after the answer is a courtesy: its failure is told and costs nothing else."""
        try:
            call()
        except ShoalError as error:
            log.warning(
                "an interaction could not be followed up",
                interaction=self.interaction.id,
                code=error.code,
                error=error,
            )


def _ephemeral(text: str) -> Json:
    return {"content": text, "flags": int(MessageFlags.EPHEMERAL)}
