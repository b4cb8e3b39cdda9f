"""Who can see a channel: membership of ``discord.channelAudience`` groups (``spec/inbound.md`` 3.4).

Discord's own rules decide (:mod:`shoal.discord.permissions`), on what is known here; time-outs play no
part. A thread is seen with its parent's overwrites, and a private one by its members only. Whatever
cannot be known makes nobody a member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from shoal.discord.permissions import Permission, base_permissions, channel_permissions
from shoal.discord.wire import ChannelType, is_thread
from workers.access.facts import SenderFacts, Surface
from workers.access.needs import AudienceNeeded, ChannelNeeded, MemberNeeded, Need, ThreadMemberNeeded

__all__ = ["Directory", "can_view"]


class Directory(Protocol):
    """What is known of guilds; ``None`` is "not known", an empty member is "no such member"."""

    def guild(self, guild_id: str) -> Mapping[str, Any] | None:
        """A guild object."""
        ...

    def place(self, channel_id: str) -> Mapping[str, Any] | None:
        """A channel or thread object with its ``guild_id``, as we were told or as it was asked for."""
        ...

    def roles(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        """Roles of a guild."""
        ...

    def member(self, need: MemberNeeded | ThreadMemberNeeded) -> Mapping[str, Any] | None:
        """A member of a guild or thread that was asked for within the last minute."""
        ...


def can_view(
    need: AudienceNeeded, directory: Directory, *, sender: SenderFacts, here: Surface
) -> bool | frozenset[Need]:
    """Whether a user sees a channel now; or what has to be known to say so.

    Args:
        sender, here: of the event, which tells of its own guild and thread what nobody has to be asked.
    """
    guild, channel = directory.guild(need.guild_id), directory.place(need.channel_id)
    if guild is None:
        return False  # not a guild of ours
    if channel is None:
        return frozenset({ChannelNeeded(need.channel_id)})
    thread = is_thread(_type(channel))
    parent_id = str(channel.get("parent_id") or "")
    parent = directory.place(parent_id) if thread and parent_id else None
    if thread and parent is None:
        return frozenset({ChannelNeeded(parent_id)}) if parent_id else False
    # a channel of another guild would be judged by the wrong roles
    if any(str(place.get("guild_id")) != need.guild_id for place in (channel, parent) if place is not None):
        return False
    roles = _roles(need, directory, sender, here)
    if not isinstance(roles, tuple):
        return roles
    base = base_permissions(
        {**guild, "id": need.guild_id}, directory.roles(need.guild_id), need.user_id, roles
    )
    granted = channel_permissions(base, channel, need.guild_id, need.user_id, roles, parent=parent)
    if Permission.VIEW_CHANNEL not in granted:
        return False
    if _type(channel) != ChannelType.PRIVATE_THREAD or Permission.MANAGE_THREADS in granted:
        return True
    return _in_thread(need, directory, here)


def _roles(
    need: AudienceNeeded, directory: Directory, sender: SenderFacts, here: Surface
) -> tuple[str, ...] | bool | frozenset[Need]:
    """The user's roles in the guild, ``False`` for no member, or what is needed."""
    if here.guild_id == need.guild_id and sender.id == need.user_id and sender.roles is not None:
        return sender.roles
    asked = MemberNeeded(need.guild_id, need.user_id)
    member = directory.member(asked)
    if member is None:
        return frozenset({asked})
    roles = member.get("roles")
    return tuple(str(role) for role in roles) if isinstance(roles, list) else False


def _in_thread(need: AudienceNeeded, directory: Directory, here: Surface) -> bool | frozenset[Need]:
    if here.channel_id == need.channel_id:
        return True  # who writes in it is in it
    asked = ThreadMemberNeeded(need.channel_id, need.user_id)
    member = directory.member(asked)
    return frozenset({asked}) if member is None else bool(member)


def _type(channel: Mapping[str, Any]) -> int:
    value = channel.get("type")
    return value if isinstance(value, int) else ChannelType.GUILD_TEXT
