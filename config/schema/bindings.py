"""``bindings`` and ``accessGroups`` (spec: inbound 3.4, 5.1, 5.10)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Tag

from config.schema.base import Id, Open, Section, Snowflake, Text, names

__all__ = [
    "AccessGroup",
    "AudienceGroup",
    "Binding",
    "BindingAcp",
    "BindingMatch",
    "BindingPeer",
    "OtherGroup",
    "SendersGroup",
]


class BindingPeer(Section):
    """A conversation: a person's DM, a group DM, or a channel or thread; ``*`` is any of its kind."""

    kind: Literal["direct", "dm", "group", "channel"]
    id: Id


class BindingMatch(Section):
    """All written fields must match; ``roles`` is met by any one of them."""

    channel: Text
    account_id: str | None = None
    peer: BindingPeer | None = None
    guild_id: Id | None = None
    team_id: str | None = None
    roles: list[Id] | None = None


class BindingAcp(Section):
    """How the bound conversation talks to its coding agent."""

    LATER: ClassVar[frozenset[str]] = names("backend")

    mode: Literal["persistent", "oneshot"] | None = None
    label: str | None = None
    cwd: str | None = None
    backend: str | None = None


class Binding(Section):
    """Routes conversations to an agent, or pins one to an ACP session."""

    type: Literal["route", "acp"] = "route"
    agent_id: Text
    comment: str | None = None
    match: BindingMatch
    acp: BindingAcp | None = None


class SendersGroup(Section):
    """A fixed group; members by channel, ``*`` for all channels."""

    type: Literal["message.senders"]
    members: dict[str, list[Id]] = {}

    def for_discord(self) -> list[str]:
        """Members that count on Discord."""
        return [*self.members.get("*", []), *self.members.get("discord", [])]


class AudienceGroup(Section):
    """Whoever can see a channel now. An unknown ``membership`` makes nobody a member."""

    type: Literal["discord.channelAudience"]
    guild_id: Snowflake
    channel_id: Snowflake
    membership: str = "canViewChannel"


class OtherGroup(Open):
    """A kind of group we do not know: nobody is a member."""

    type: Text


def _kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return {"message.senders": "senders", "discord.channelAudience": "audience"}.get(str(kind), "other")


AccessGroup = Annotated[
    Annotated[SendersGroup, Tag("senders")]
    | Annotated[AudienceGroup, Tag("audience")]
    | Annotated[OtherGroup, Tag("other")],
    Discriminator(_kind),
]
