"""Where and for whom an agent's actions happen, and what the person who asked may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shoal.discord.permissions import Permission, permissions_in
from shoal.discord.wire import ChannelType
from tasks.media import outgoing_for
from tasks.runtime import Runtime
from workers.access.policy import decide_room
from workers.actions.base import ActionContext
from workers.agent.tools.acting import DiscordActions
from workers.delivery.outgoing import Raw
from workers.sessions.place import surface_at
from workers.sessions.records import TurnRequest
from workers.sessions.view import StoreView

__all__ = ["discord_actions", "may_read"]


Workspace = Callable[[TurnRequest], Path | None]


def discord_actions(runtime: Runtime, workspace: Workspace = lambda _request: None) -> DiscordActions:
    """The actions of this process's agents.

    Args:
        workspace: the folder of the agent that answers; with the media folder it is where uploads come from.
    """

    def gates(account: str) -> Mapping[str, bool]:
        written: dict[str, bool] = runtime.loaded.account(account).discord.actions.model_dump(by_alias=True)
        return written

    return DiscordActions(gates, lambda request, joined: _context(runtime, request, joined, workspace))


def _context(
    runtime: Runtime, request: TurnRequest, joined: Sequence[TurnRequest], workspace: Workspace
) -> ActionContext:
    store, account = runtime.store, request.account

    def read(source: str, *, most: int, whose: str) -> Raw:
        return outgoing_for(runtime, request, workspace(request)).read(source, limit=(most, whose))

    return ActionContext(
        account=account,
        rest=runtime.rest(account),
        facts=store.facts,
        channel_id=request.channel_id,
        guild_id=request.guild_id,
        message_id=request.answers_to,
        message_channel_id=request.message_channel_id if not request.clicked_on else "",
        sender_id=request.author_id,
        may_read=lambda channel_id: all(may_read(runtime, one, channel_id) for one in (request, *joined)),
        command=lambda payload: store.intake.command(account, payload),
        by_owner=request.is_owner and all(one.is_owner for one in joined),
        read=read,
        born_ms=request.born_ms,
        others=tuple({one.author_id: None for one in joined if one.author_id != request.author_id}),
    )


def may_read(runtime: Runtime, request: TurnRequest, channel_id: str) -> bool:
    """A channel of the same server, which the config serves and the person who asks can see himself.

    Private messages of others are nobody's to read, whoever asks.
    """
    facts, account = runtime.store.facts, request.account
    channel = facts.channel(account, channel_id)
    guild_id = str((channel or {}).get("guild_id") or "")
    if channel is None or not guild_id or guild_id != request.guild_id:
        return False
    view = StoreView(runtime.admission_settings(account), runtime.store)
    surface = surface_at(channel_id, guild_id, None, view)
    if not decide_room(surface, view.settings.access).allowed:
        return False
    if request.is_owner:
        return True
    guild = facts.guild(account, guild_id) or {}
    parent = facts.channel(account, surface.parent_id) if surface.parent_id else None
    member = {"roles": list(request.member_roles)}
    allowed = permissions_in(
        guild, facts.roles(account, guild_id), channel, member, request.author_id, parent=parent
    )
    wanted = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
    if channel.get("type") == ChannelType.PRIVATE_THREAD:
        # who was asked into it is not known here; who manages threads sees it anyway
        wanted |= Permission.MANAGE_THREADS
    return wanted in allowed
