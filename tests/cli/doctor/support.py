"""Configs and facts of a bot that ``shoal doctor`` looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.base.findings import Finding
from shoal.state.store import Store

GUILD, ROOM, ME = "500", "600", "900"


TOKEN = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"


Examine = Callable[..., dict[str, Finding]]


def bot(**discord: Any) -> dict[str, Any]:
    return {"channels": {"discord": {"token": TOKEN, "guilds": {"500": {"users": ["1"]}}, **discord}}}


def known_guild(store: Store, permissions: int) -> None:
    """What the gateway would have told."""
    store.facts.put_me("default", {"id": ME})
    channel = {"id": ROOM, "name": "talk", "type": 0, "permission_overwrites": []}
    roles = [{"id": GUILD, "permissions": str(permissions)}]
    store.facts.put_guild(
        "default",
        GUILD,
        {"id": GUILD, "name": "Reef", "owner_id": "1", "channels": [channel], "roles": roles},
    )
    store.facts.put("default", "member", GUILD, {"roles": []})
