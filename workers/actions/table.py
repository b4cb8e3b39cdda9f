"""Every action by every name: kebab-case, camelCase and the older manuals' names (decision 40)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workers.actions.base import Action
from workers.actions.channels import CHANNEL_ACTIONS
from workers.actions.events import EVENT_ACTIONS
from workers.actions.expressions import EXPRESSION_ACTIONS
from workers.actions.guild import GUILD_ACTIONS
from workers.actions.messages import MESSAGE_ACTIONS
from workers.actions.presence import PRESENCE_ACTIONS
from workers.actions.reactions import REACTION_ACTIONS
from workers.actions.threads import THREAD_ACTIONS

__all__ = ["ACTIONS", "ALIASES", "action_named", "canonical", "offered"]

ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        *MESSAGE_ACTIONS, *REACTION_ACTIONS, *THREAD_ACTIONS, *GUILD_ACTIONS, *CHANNEL_ACTIONS,
        *EXPRESSION_ACTIONS, *EVENT_ACTIONS, *PRESENCE_ACTIONS,
    )
}  # fmt: skip
ALIASES = {
    "read-messages": "read",
    "edit-message": "edit",
    "delete-message": "delete",
    "pin-message": "pin",
    "unpin-message": "unpin",
    "search-messages": "search",
    "pins": "list-pins",
    "add-reaction": "react",
    "emoji-create": "emoji-upload",
    "sticker-create": "sticker-upload",
}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+")


def canonical(name: str) -> str:
    """``threadCreate``, ``thread_create`` and ``thread-create`` as the last of them."""
    word = _HUMP.sub("-", name.strip()).lower()
    return ALIASES.get(word, word)


def action_named(name: str) -> Action | None:
    """The action a caller means."""
    return ACTIONS.get(canonical(name))


def offered(gates: Mapping[str, bool]) -> list[Action]:
    """Actions whose gate is open, in the order of the table."""
    return [action for action in ACTIONS.values() if gates.get(action.gate, False)]
