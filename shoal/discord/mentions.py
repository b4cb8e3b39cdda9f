"""``allowed_mentions``: who a message may ping. Decided here and nowhere else.

Absent, Discord parses *everything*, ``@everyone`` included, and every edit is parsed anew. So the transport
passes each body that carries text through :func:`guarded`, which sets the object and narrows what was asked
for to the account's :class:`MentionPolicy` (design 6; facts 8.4). A body without it cannot leave, and no
caller can ask for more than the operator's config allows: an agent's words are not an operator's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["NO_MENTIONS", "MentionPolicy", "allowed_mentions", "guarded", "narrowed"]

MOST_IDS = 100
"""Ids that one list may have."""
_WITH_TEXT = (4, 7)
"""Interaction callbacks that are messages."""
_WEBHOOK = re.compile(r"/webhooks/\{\w+\}/\{\w+\}")
_MESSAGE = re.compile(rf"(?:/channels/\{{\w+\}}|{_WEBHOOK.pattern})/messages/(?:\{{\w+\}}|@original)")


@dataclass(frozen=True, slots=True)
class MentionPolicy:
    """``channels.discord.allowedMentions``: users yes, roles and everyone no, by default."""

    users: bool = True
    roles: bool | Sequence[str] = False
    everyone: bool = False


def allowed_mentions(
    *,
    users: bool | Sequence[str] = True,
    roles: bool | Sequence[str] = False,
    everyone: bool = False,
    replied_user: bool = True,
) -> dict[str, Any]:
    """The wire object.

    Args:
        users: all users named in the text, none, or these ids only (at most 100).
        roles: likewise for roles.
        everyone: ``@everyone`` and ``@here`` may ping.
        replied_user: the author of the message replied to is pinged.
    """
    body: dict[str, Any] = {"parse": [], "replied_user": replied_user}
    for name, wanted in (("roles", roles), ("users", users)):
        if wanted is True:
            body["parse"].append(name)
        elif wanted:
            body[name] = list(dict.fromkeys(wanted))[:MOST_IDS]
    if everyone:
        body["parse"].append("everyone")
    return body


NO_MENTIONS: dict[str, Any] = allowed_mentions(users=False, replied_user=False)
"""Nobody."""


def narrowed(policy: MentionPolicy, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a message may ping of what was asked for; ``None`` asks for all that the policy allows."""
    if wanted is None:
        return allowed_mentions(
            users=policy.users, roles=policy.roles, everyone=policy.everyone, replied_user=policy.users
        )
    parse = wanted.get("parse") or ()
    users: bool | Sequence[str] = "users" in parse or [str(one) for one in wanted.get("users") or ()]
    return allowed_mentions(
        users=users if policy.users else False,
        roles=_roles(policy.roles, "roles" in parse or [str(one) for one in wanted.get("roles") or ()]),
        everyone=policy.everyone and "everyone" in parse,
        replied_user=policy.users and wanted.get("replied_user") is True,
    )


def _roles(policy: bool | Sequence[str], asked: bool | Sequence[str]) -> bool | Sequence[str]:
    if policy is True or not policy:
        return asked if policy else False
    return policy if asked is True else [role for role in asked or () if role in policy]


def guarded(method: str, template: str, body: Any, policy: MentionPolicy) -> Any:
    """The body with ``allowed_mentions`` where it carries a message; other bodies as they are.

    Args:
        template: of the route, ids and tokens as ``{names}``.
    """
    if not isinstance(body, Mapping):
        return body
    if template.endswith("/callback") and template.startswith("/interactions/"):
        data = body.get("data")
        if body.get("type") not in _WITH_TEXT or not isinstance(data, Mapping):
            return body
        return {**body, "data": _with(data, policy)}
    if method == "POST" and template == "/channels/{channel_id}/threads":
        first = body.get("message")
        return {**body, "message": _with(first, policy)} if isinstance(first, Mapping) else body
    creates = template == "/channels/{channel_id}/messages" or _WEBHOOK.fullmatch(template) is not None
    edits = _MESSAGE.fullmatch(template) is not None
    return _with(body, policy) if method == ("POST" if creates else "PATCH") and (creates or edits) else body


def _with(message: Mapping[str, Any], policy: MentionPolicy) -> dict[str, Any]:
    wanted = message.get("allowed_mentions")
    return {**message, "allowed_mentions": narrowed(policy, wanted if isinstance(wanted, Mapping) else None)}
