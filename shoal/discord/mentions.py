"""``allowed_mentions``: who a message may ping.

Absent, Discord parses *everything*, ``@everyone`` included, so every create and edit of ours
carries the object (design 6; facts: message create). The default pings users named in the
text and the user replied to; roles and ``@everyone`` only by explicit opt-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["DEFAULT_MENTIONS", "NO_MENTIONS", "allowed_mentions"]


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
            body[name] = list(dict.fromkeys(wanted))[:100]
    if everyone:
        body["parse"].append("everyone")
    return body


DEFAULT_MENTIONS: dict[str, Any] = allowed_mentions()
"""Users of the text and the user replied to."""

NO_MENTIONS: dict[str, Any] = allowed_mentions(users=False, replied_user=False)
"""Nobody."""
