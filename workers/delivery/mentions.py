"""Whom a message may ping: the account's policy, narrowed by what the sender asked for.

``allowed_mentions`` goes with every create, because without it Discord lets any text ping
``@everyone``. A request can only narrow the policy, never widen it: the words of an agent
are not an operator's word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shoal.discord.mentions import allowed_mentions
from workers.delivery.records import AllowedMentions

__all__ = ["MentionPolicy", "allowed_for"]


@dataclass(frozen=True, slots=True)
class MentionPolicy:
    """``channels.discord.allowedMentions``: users yes, roles and everyone no, by default."""

    users: bool = True
    roles: bool | Sequence[str] = False
    everyone: bool = False


def allowed_for(policy: MentionPolicy, asked: AllowedMentions | None, *, is_reply: bool) -> dict[str, Any]:
    """The wire object of one message."""
    if asked is None:
        return allowed_mentions(
            users=policy.users,
            roles=policy.roles,
            everyone=policy.everyone,
            replied_user=is_reply and policy.users,
        )
    users: bool | Sequence[str] = asked.users if policy.users else False
    return allowed_mentions(
        users=users,
        roles=_roles(policy.roles, asked.roles),
        everyone=policy.everyone and asked.everyone,
        replied_user=is_reply and policy.users and asked.replied_user,
    )


def _roles(policy: bool | Sequence[str], asked: Sequence[str]) -> Sequence[str]:
    if policy is True:
        return asked
    return [role for role in asked if policy and role in policy]
