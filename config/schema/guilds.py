"""``channels.discord.guilds``: who may talk where (spec: inbound 3.5, 3.10, 7.1).

An absent list and an empty one differ everywhere: ``channels: {}`` denies every channel,
an absent ``channels`` allows all of an allow-listed guild. So maps and lists are ``None``
when they are not written.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from config.schema.base import Id, Section, fault

__all__ = ["ChannelEntry", "GuildEntry", "ToolPolicy", "UserLimits"]


def _archive_minutes(value: Any) -> Any:
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or value not in (60, 1440, 4320, 10080):
        raise fault(
            "archive", "Discord does not know this archive time", allowed="60, 1440, 4320 or 10080 minutes"
        )
    return value


class ToolPolicy(Section):
    """Which tools an agent has here."""

    allow: list[str] | None = None
    also_allow: list[str] | None = None
    deny: list[str] | None = None


class UserLimits(Section):
    """How many turns one person may start, in any minute and in any 24 hours. Off unless written; owners
    are not limited. A guild's numbers lie over the account's, and its turns are counted apart."""

    turns_per_minute: Annotated[int, Field(gt=0, le=1_000)] | None = None
    turns_per_day: Annotated[int, Field(gt=0, le=10_000)] | None = None


class ChannelEntry(Section):
    """Rules of one channel; the entry ``*`` lies under all others, key by key."""

    enabled: bool | None = None
    require_mention: bool | None = None
    ignore_other_mentions: bool | None = None
    wake_on_mass_mentions: bool | None = None
    users: list[Id] | None = None
    roles: list[Id] | None = None
    skills: list[str] | None = None
    system_prompt: str | None = None
    include_thread_starter: bool | None = None
    auto_thread: bool | None = None
    auto_thread_name: Literal["message", "generated"] | None = None
    auto_archive_duration: Annotated[int, BeforeValidator(_archive_minutes)] | None = None
    tools: ToolPolicy | None = None
    tools_by_sender: dict[str, ToolPolicy] | None = None


class GuildEntry(Section):
    """Rules of one guild. ``*`` is a whole replacement for guilds without an entry."""

    slug: str | None = None
    require_mention: bool | None = None
    ignore_other_mentions: bool | None = None
    wake_on_mass_mentions: bool | None = None
    reaction_notifications: Literal["off", "own", "all", "allowlist"] = "own"
    users: list[Id] | None = None
    roles: list[Id] | None = None
    user_limits: UserLimits | None = None
    channels: dict[str, ChannelEntry] | None = None
    tools: ToolPolicy | None = None
    tools_by_sender: dict[str, ToolPolicy] | None = None
