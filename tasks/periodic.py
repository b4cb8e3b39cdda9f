"""What beat ticks."""

from __future__ import annotations

from typing import Any

__all__ = ["PERIODIC"]

MINUTE_S, HOUR_S = 60.0, 3_600.0

PERIODIC: dict[str, dict[str, Any]] = {
    name: {
        "task": f"upkeep.{name}",
        "schedule": period,
        "options": {"queue": "upkeep", "expires": 55},
    }
    for name, period in {
        "reconcile": MINUTE_S,
        "archive": MINUTE_S,
        "memory": MINUTE_S,
        "names": MINUTE_S,  # looks at what is old; asks Discord once an hour
        "media": HOUR_S,
    }.items()
}
"""Name → entry of celery's schedule."""
