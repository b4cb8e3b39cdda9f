"""Session keys: the name of a conversation (``spec/inbound.md`` 5.2), always lower case.

=====================================  ================================================
DM, ``dmScope: main`` (default)        ``agent:<agent>:main``
DM, ``per-peer``                       ``agent:<agent>:direct:<peer>``
DM, ``per-channel-peer``               ``agent:<agent>:discord:direct:<peer>``
DM, ``per-account-channel-peer``       ``agent:<agent>:discord:<account>:direct:<peer>``
guild channel or thread                ``agent:<agent>:discord:channel:<id>``
group DM                               ``agent:<agent>:discord:group:<id>``
slash command run                      ``agent:<agent>:discord:slash:<user>``
bound to a coding agent in the file    ``agent:<agent>:acp:binding:discord:<account>:<hash>``
=====================================  ================================================

A thread is one more channel id. Two accounts on one agent share a channel's key on
purpose. ``<peer>`` is the user id, or the name ``session.identityLinks`` gives it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from config.agents import normal_agent_id
from shoal.base.ids import check_name

__all__ = [
    "DmScope",
    "agent_of",
    "channel_key",
    "coding_key",
    "direct_key",
    "group_key",
    "linked_peer",
    "main_key",
    "session_lane",
    "slash_key",
]

DmScope = Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"]


def main_key(agent_id: str) -> str:
    """The agent's own conversation, which DMs share by default."""
    return f"agent:{normal_agent_id(agent_id)}:main"


def direct_key(agent_id: str, scope: DmScope, *, account: str, peer: str) -> str:
    """The key of a DM with ``peer`` (a user id, or its linked name)."""
    agent = normal_agent_id(agent_id)
    if scope == "per-peer":
        return f"agent:{agent}:direct:{peer}"
    if scope == "per-channel-peer":
        return f"agent:{agent}:discord:direct:{peer}"
    if scope == "per-account-channel-peer":
        return f"agent:{agent}:discord:{account}:direct:{peer}"
    return f"agent:{agent}:main"


def channel_key(agent_id: str, channel_id: str) -> str:
    """The key of a guild channel or thread."""
    return f"agent:{normal_agent_id(agent_id)}:discord:channel:{channel_id}"


def group_key(agent_id: str, channel_id: str) -> str:
    """The key of a group DM."""
    return f"agent:{normal_agent_id(agent_id)}:discord:group:{channel_id}"


def slash_key(agent_id: str, user_id: str) -> str:
    """The key of a slash command's own transcript (``spec/inbound.md`` 5.2); none is served yet."""
    return f"agent:{normal_agent_id(agent_id)}:discord:slash:{user_id}"


def coding_key(agent_id: str, account: str, conversation: str) -> str:
    """The key of a conversation that the file binds to a coding agent (ACP)."""
    digest = hashlib.blake2b(conversation.encode(), digest_size=8).hexdigest()
    return f"agent:{normal_agent_id(agent_id)}:acp:binding:discord:{account}:{digest}"


def linked_peer(user_id: str, links: Mapping[str, Sequence[str]]) -> str:
    """The first canonical name that lists this user, bare or as ``discord:<id>``; else the id."""
    wanted = {user_id, f"discord:{user_id}"}
    for canonical, members in links.items():
        if any(str(member).strip().lower() in wanted for member in members):
            return _key_part(canonical) or user_id
    return user_id


def _key_part(name: str) -> str:
    """A name as part of a key. What a key cannot hold is replaced, and a digest keeps such names apart."""
    text = name.strip().lower()
    if not text:
        return ""
    safe = re.sub(r"[^a-z0-9_.-]+", "-", text).strip("-")
    if safe == text and len(safe) <= 64:
        return safe
    digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
    return f"{safe[:48]}-{digest}".lstrip("-")


def session_lane(session_key: str) -> str:
    """The lane of a session.

    Raises:
        InvalidName: the key has characters or a length that no lane may have.
    """
    return check_name(f"session:{session_key}", "session lane")


def agent_of(session_key: str) -> str | None:
    """The agent id in a session key, or ``None`` if it is no ``agent:…`` key."""
    parts = session_key.split(":", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "agent" and parts[1] else None
