"""Which tools an agent has in a guild or channel, and for whom (``spec/inbound.md`` 3.10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["ToolPolicy", "ToolRules", "tool_policy"]


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """``allow``: only these. ``also_allow``: these as well. ``deny``: never these. ``*`` fits any text."""

    allow: tuple[str, ...] | None = None
    also_allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> ToolPolicy:
        """A policy as written."""
        allow = raw.get("allow")
        return cls(
            None if allow is None else tuple(allow),
            tuple(raw.get("alsoAllow") or ()),
            tuple(raw.get("deny") or ()),
        )

    def admits(self, *names: str) -> bool:
        """Whether a tool with this name (and these aliases) may be used."""
        if _named(names, self.deny):
            return False
        return self.allow is None or _named(names, self.allow) or _named(names, self.also_allow)


@dataclass(frozen=True, slots=True)
class ToolRules:
    """``tools`` and ``toolsBySender`` of one entry."""

    everyone: ToolPolicy | None = None
    by_sender: Mapping[str, ToolPolicy] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> ToolRules:
        """The rules of a guild or channel entry."""
        tools, by_sender = raw.get("tools"), raw.get("toolsBySender") or {}
        return cls(
            None if tools is None else ToolPolicy.read(tools),
            {_normal(key): ToolPolicy.read(policy or {}) for key, policy in by_sender.items()},
        )

    def of(self, sender_id: str, username: str, name: str) -> ToolPolicy | None:
        """The policy for a sender: by id, username, shown name, ``*``, then everyone's."""
        if self.by_sender:
            username, name = f"username:{username.lower()}", f"name:{name.lower()}"
            for key in (f"id:{sender_id}", sender_id, username, name, "*"):
                if (policy := self.by_sender.get(key)) is not None:
                    return policy
        return self.everyone


def tool_policy(
    guild: ToolRules | None, channel: ToolRules | None, *, sender_id: str, username: str = "", name: str = ""
) -> ToolPolicy | None:
    """What limits an agent's tools in a place: the channel's rules, else the guild's, else nothing."""
    for rules in (channel, guild):
        policy = rules.of(sender_id, username, name) if rules is not None else None
        if policy is not None:
            return policy
    return None


def _named(names: Iterable[str], entries: Iterable[str]) -> bool:
    wanted = [name.lower() for name in names]
    return any(fnmatchcase(name, entry.strip().lower()) for entry in entries for name in wanted)


def _normal(key: str) -> str:
    """A key of ``toolsBySender``: ``id:5``, ``username:ann`` (with or without ``@``), ``name:Ann``, ``5``."""
    written = key.strip()
    kind, colon, value = written.partition(":")
    if colon and kind in ("username", "name"):
        return f"{kind}:{value.strip().removeprefix('@').lower()}"
    return written
