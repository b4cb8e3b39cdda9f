"""Whether the last words of a turn are shown, in one function (``spec/inbound.md`` 9.1).

In guilds and group DMs the final text is private unless the config says ``automatic``: what
people see the agent sends itself, with the message tool. In DMs it is shown. The built-in
guide always shows its answer, since it has nothing to be private about.
"""

from __future__ import annotations

from typing import Literal

from workers.agent.models import GUIDE, candidates
from workers.agent.profile import AgentProfile
from workers.sessions.records import TurnRequest

__all__ = ["ReplyMode", "reply_mode"]

ReplyMode = Literal["automatic", "message_tool_only"]


def reply_mode(
    request: TurnRequest,
    profile: AgentProfile,
    *,
    tool_available: bool,
    requested: ReplyMode | None = None,
    native_command: bool = False,
) -> ReplyMode:
    """How the final answer of this turn is delivered.

    Args:
        tool_available: the message tool may be used in this turn; without it nothing is hidden.
        requested: what the caller asked for (heartbeat, cron); it wins.
        native_command: the turn answers a slash command.
    """
    if requested is not None:
        return requested
    if native_command or not tool_available:
        return "automatic"
    if candidates(profile.primary, profile.fallbacks)[0] == GUIDE:
        return "automatic"
    if request.chat_type == "direct":
        wanted = profile.visible_all or "automatic"
    else:
        wanted = profile.visible_group or profile.visible_all or "message_tool"
    return "automatic" if wanted == "automatic" else "message_tool_only"
