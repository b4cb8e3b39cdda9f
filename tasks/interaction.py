"""``interaction.ack``: answers a click or command within Discord's three seconds.

The answer is sent first and noted afterwards: if this process dies in between, the gateway's
back-stop sends a deferral, and Discord refuses whichever comes second (40060), which both
sides read as success (rule R10).
"""

from __future__ import annotations

from typing import Any

import msgspec

from shoal.discord.codes import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION
from shoal.discord.errors import DiscordError
from shoal.discord.wire import InteractionCallback, InteractionType, MessageFlags
from shoal.state.records import Grant, decode_event
from shoal.state.steps import Commit, Step
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.delivery.texts import Language, say

__all__ = ["ack_lane"]


class _Interaction(msgspec.Struct):
    id: str
    token: str
    type: int
    locale: str = ""


def ack_lane(runtime: Runtime, lane: str) -> str:
    """Answer the interaction at the head of its lane."""

    def handle(grant: Grant, _context: TurnContext) -> Step:
        event = decode_event(grant.head.body)
        interaction = msgspec.json.decode(event.data, type=_Interaction)
        summary = _answer(runtime, event.account, interaction)
        runtime.store.intake.ack(interaction.id, "front")
        return Commit((), summary)

    return runtime.drain.run(lane, handle)


def _answer(runtime: Runtime, account: str, interaction: _Interaction) -> str:
    kind, data = _reply(interaction)
    try:
        runtime.rest(account).create_interaction_response(
            interaction.id, interaction.token, type=kind, data=data
        )
    except DiscordError as error:
        if error.json_code == ALREADY_ACKNOWLEDGED:
            return "acknowledged by the gateway"
        if error.json_code == UNKNOWN_INTERACTION:
            return "too late"  # Discord has told the user; another try cannot change it
        raise
    return "answered"


def _reply(interaction: _Interaction) -> tuple[int, dict[str, Any] | None]:
    """Nothing of ours that lives any more made this: say so, to the one who clicked."""
    if interaction.type == InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE:
        return InteractionCallback.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT, {"choices": []}
    language: Language = "zh" if interaction.locale.startswith("zh") else "en"
    return InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE, {
        "content": say("interaction-expired", language),
        "flags": int(MessageFlags.EPHEMERAL),
    }
