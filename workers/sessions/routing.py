"""Which agent answers: ``bindings`` by tiers, else the default agent (``spec/inbound.md`` 5.1).

Every binding must fit in all of its fields; the tier says which of the fitting ones wins:
exact peer, the thread's parent, any peer of a kind, guild and roles, guild, account, all
accounts. Within a tier the first in the file wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from config.agents import normal_agent_id

__all__ = ["Binding", "Place", "Route", "Routing"]

_KINDS = {"dm": "direct", "direct": "direct", "group": "room", "channel": "room"}


@dataclass(frozen=True, slots=True)
class Place:
    """What a route is looked up by.

    Attributes:
        account: receiving account.
        kind: ``direct``, ``group`` or ``channel``.
        peer_id: user id of a DM, channel or thread id otherwise.
        parent_id: parent channel of a thread.
        roles: role ids of the author; empty where they are not known.
    """

    account: str
    kind: str
    peer_id: str
    parent_id: str | None = None
    guild_id: str | None = None
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """The agent, and what chose it: ``binding.<tier>`` or ``default``."""

    agent_id: str
    matched_by: str


@dataclass(frozen=True, slots=True)
class Binding:
    """One ``route`` binding, compiled. ``account`` ``None`` stands for ``"*"``."""

    agent_id: str
    account: str | None
    peer_kind: str | None = None
    peer_id: str | None = None
    guild_id: str | None = None
    roles: frozenset[str] | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any], default_account: str, *, kind: str = "route") -> Binding | None:
        """Compile a binding of the file; ``None`` for one of another kind, or not about Discord."""
        match = raw.get("match")
        if (raw.get("type") or "route") != kind or not isinstance(match, Mapping):
            return None
        if str(match.get("channel") or "").strip().lower() != "discord" or match.get("teamId"):
            return None
        account = match.get("accountId")
        name = default_account if account is None else str(account).strip().lower()
        peer = match.get("peer")
        peer_kind = peer_id = None
        if peer is not None:
            peer_kind = _KINDS.get(str(peer.get("kind") or "").lower())
            peer_id = str(peer.get("id") or "").strip()
            if peer_kind is None or not peer_id:
                return None  # an invalid peer never matches
        roles = match.get("roles")
        return cls(
            agent_id=str(raw.get("agentId") or ""),
            account=None if name == "*" else name,
            peer_kind=peer_kind,
            peer_id=peer_id,
            guild_id=str(match["guildId"]) if match.get("guildId") else None,
            roles=frozenset(str(role) for role in roles) if roles else None,
        )

    def fits(self, place: Place) -> int | None:
        """The tier in which this binding fits the place (lower wins), or ``None``."""
        if self.account is not None and self.account != place.account:
            return None
        if self.guild_id is not None and self.guild_id != place.guild_id:
            return None
        if self.roles is not None and self.roles.isdisjoint(place.roles):
            return None
        if self.peer_id is not None:
            return self._peer_tier(place)
        if self.guild_id is not None:
            return 4 if self.roles is not None else 5
        return 7 if self.account is not None else 8

    def _peer_tier(self, place: Place) -> int | None:
        if self.peer_kind != _KINDS[place.kind]:
            return None
        if self.peer_id == place.peer_id:
            return 1
        if place.parent_id is not None and self.peer_id == place.parent_id:
            return 2
        return 3 if self.peer_id == "*" else None


_TIERS = {
    1: "peer",
    2: "peer.parent",
    3: "peer.wildcard",
    4: "guild+roles",
    5: "guild",
    7: "account",
    8: "channel",
}


@dataclass(frozen=True)
class Routing:
    """The compiled bindings of a config."""

    bindings: tuple[Binding, ...] = ()
    agents: frozenset[str] = frozenset()
    """Normalised ids of ``agents.list``; empty where there is no list."""
    default_agent: str = "main"
    coding: tuple[Binding, ...] = ()
    """Bindings of ``type: "acp"``: conversations that belong to a coding agent."""

    @classmethod
    def read(
        cls,
        bindings: Iterable[Mapping[str, Any]],
        agents: Sequence[str],
        *,
        default_agent: str = "main",
        default_account: str = "default",
    ) -> Routing:
        """Compile ``bindings`` (entries as in the file) and the agent ids."""
        entries = list(bindings)
        compiled = (Binding.read(raw, default_account) for raw in entries)
        coding = (Binding.read(raw, default_account, kind="acp") for raw in entries)
        return cls(
            tuple(binding for binding in compiled if binding is not None),
            frozenset(normal_agent_id(agent) for agent in agents),
            normal_agent_id(default_agent),
            tuple(binding for binding in coding if binding is not None and binding.peer_id is not None),
        )

    def coding_agent(self, place: Place) -> str | None:
        """The agent a conversation is bound to over ACP; a thread has the binding of its parent (5.10).

        The conversation itself is before its parent, an account that is named before ``"*"``.
        """
        best: tuple[int, int, Binding] | None = None
        for binding in self.coding:
            tier = binding.fits(place)
            if tier is None or binding.peer_id == "*":
                continue
            found = (tier, 1 if binding.account is None else 0, binding)
            if best is None or found[:2] < best[:2]:
                best = found
        return None if best is None else self._known(best[2])

    def _known(self, binding: Binding) -> str:
        """The agent of a binding, or the default one where the list does not have it."""
        agent = normal_agent_id(binding.agent_id)
        return agent if not self.agents or agent in self.agents else self.default_agent

    @cached_property
    def everyone(self) -> tuple[str, ...]:
        """Every agent that may be chosen, the default one first."""
        bound = (normal_agent_id(binding.agent_id) for binding in self.bindings)
        known = sorted(self.agents) if self.agents else bound
        return tuple(dict.fromkeys((self.default_agent, *known)))

    def by_roles(self, account: str, guild_id: str | None) -> bool:
        """Whether the author's roles may decide which agent answers in a guild."""
        return any(
            binding.roles is not None
            and binding.account in (None, account)
            and binding.guild_id in (None, guild_id)
            for binding in self.bindings
        )

    def route(self, place: Place) -> Route:
        """The agent for a place; always one."""
        best: tuple[int, Binding] | None = None
        for binding in self.bindings:
            tier = binding.fits(place)
            if tier is not None and (best is None or tier < best[0]):
                best = (tier, binding)
        if best is None:
            return Route(self.default_agent, "default")
        return Route(self._known(best[1]), f"binding.{_TIERS[best[0]]}")
