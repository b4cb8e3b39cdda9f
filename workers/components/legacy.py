"""Controls of messages that OpenClaw sent before it kept a registry (``spec/outbound.md`` 5.5, item 11).

    agent:componentId=<id>        a button
    agentsel:componentId=<id>     a select menu

They start no turn: the conversation's next one is told in a line. Nobody can make such ids here (rule R16).
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from shoal.base.ids import snowflake_ms
from shoal.state.effects import Outcome
from workers.components.interaction import Interaction
from workers.sessions.admission.arrival import Arrival
from workers.sessions.admission.results import Admission
from workers.sessions.system_events import QueuedEvent, queue_event

__all__ = ["note_legacy", "read_legacy"]

_ID = re.compile(r"(?:agent|agentsel):componentId=([^;\s]{1,100})")


def read_legacy(custom_id: str) -> str | None:
    """The component an old custom id names; none for any other."""
    found = _ID.fullmatch(custom_id)
    return unquote(found.group(1)) if found is not None else None


def note_legacy(arrival: Arrival, interaction: Interaction, component: str) -> Admission:
    """The line for the next turn. The names in it are other people's words."""
    who = f"{interaction.user.username} ({interaction.user.id})"
    if interaction.custom_id.startswith("agentsel:"):
        chosen = ", ".join(interaction.values)
        text = f"[Discord select menu: {component} interacted by {who} (selected: {chosen})]"
    else:
        text = f"[Discord component: {component} clicked by {who}]"
    line = QueuedEvent(
        id=interaction.id,
        text=text,
        at_ms=snowflake_ms(interaction.id),
        about=f"discord:component:{component}",
        trusted=False,
    )
    account = arrival.event.account
    effects = (
        Outcome(account, interaction.id, "event", "component"),
        queue_event(arrival.conversation.session_key, line),
    )
    return Admission(effects, "event · component")
