"""Whom a message may ping: what the sender asked for, within the account's policy."""

from __future__ import annotations

from typing import Any

from shoal.discord.mentions import MentionPolicy, allowed_mentions, narrowed
from workers.delivery.records import AllowedMentions

__all__ = ["MentionPolicy", "allowed_for"]


def allowed_for(policy: MentionPolicy, asked: AllowedMentions | None, *, is_reply: bool) -> dict[str, Any]:
    """The wire object of one message; the author of the message replied to is pinged by a reply alone."""
    if asked is None:
        return narrowed(policy, None) | {"replied_user": is_reply and policy.users}
    wanted = allowed_mentions(
        users=asked.users,
        roles=asked.roles,
        everyone=asked.everyone,
        replied_user=is_reply and asked.replied_user,
    )
    return narrowed(policy, wanted)
