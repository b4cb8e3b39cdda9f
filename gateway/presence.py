"""The presence an account shows (``spec/inbound.md`` 2.8, ``spec/decisions.md`` 27)."""

from __future__ import annotations

from typing import Any

from config.schema.discord import DiscordConfig

__all__ = ["static_presence"]

CUSTOM = 4
STREAMING = 1


def static_presence(discord: DiscordConfig) -> dict[str, Any] | None:
    """The ``d`` of op 3 to send on every READY, or ``None`` when nothing is configured: then nothing is sent.

    A custom status carries its text, a leading emoji included, in ``state``.
    """
    if discord.activity is None and discord.status is None:
        return None
    activities: list[dict[str, Any]] = []
    if discord.activity is not None:
        kind = CUSTOM if discord.activity_type is None else discord.activity_type
        if kind == CUSTOM:
            activities.append({"name": "Custom Status", "type": CUSTOM, "state": discord.activity})
        else:
            activity: dict[str, Any] = {"name": discord.activity, "type": int(kind)}
            if kind == STREAMING:
                activity["url"] = discord.activity_url
            activities.append(activity)
    return {"since": None, "activities": activities, "status": discord.status or "online", "afk": False}
