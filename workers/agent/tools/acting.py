"""The actions of the message tool besides sending: what is open here, and doing it for the one who asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from shoal.base.errors import TransportError
from shoal.discord.errors import DiscordError
from workers.actions.base import Action, ActionContext, Args
from workers.actions.dry import shown
from workers.actions.extras import flag
from workers.actions.perform import perform
from workers.actions.reach import check_reach
from workers.actions.table import action_named, offered
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult
from workers.sessions.records import TurnRequest

__all__ = ["DiscordActions"]


class DiscordActions:
    """Actions on Discord for turns.

    Args:
        gates: ``channels.discord.actions`` of an account.
        context: where and for whom an action of a turn happens: its request, and what else the turn has read.
    """

    def __init__(
        self,
        gates: Callable[[str], Mapping[str, bool]],
        context: Callable[[TurnRequest, Sequence[TurnRequest]], ActionContext],
    ) -> None:
        self._gates = gates
        self._context = context

    def offered(self, request: TurnRequest) -> list[Action]:
        """What may be done by this bot; whether the one who asks may is looked at when it is done."""
        return offered(self._gates(request.account))

    def allows(self, account: str, gate: str) -> bool:
        """Whether a gate of ``channels.discord.actions`` is open."""
        return self._gates(account).get(gate, False)

    def run(self, name: str, args: Mapping[str, Any], context: ToolContext) -> ToolResult | None:
        """Do the action called ``name``; none if there is no such action.

        Raises:
            ActionError: it is not allowed, or an argument is wrong.
            ToolError: Discord refused it, or could not be reached.
        """
        action = action_named(name)
        if action is None:
            return None
        request = context.request
        try:
            acting = replace(self._context(request, context.joined), again=context.again)
            check_reach(action, Args(args), acting)
            gates = self._gates(request.account)
            if flag(args.get("dryRun")):
                done = shown(lambda looking: perform(action, args, gates, looking), acting)
            else:
                done = perform(action, args, gates, acting)
        except (DiscordError, TransportError) as error:
            raise ToolError(str(error)) from error
        return ToolResult(msgspec.json.encode(done).decode())
