"""What beat ticks."""

from __future__ import annotations

from typing import Any

__all__ = ["PERIODIC"]

PERIODIC: dict[str, dict[str, Any]] = {
    "reconcile": {
        "task": "upkeep.reconcile",
        "schedule": 60.0,
        "options": {"queue": "upkeep", "expires": 55},
    },
}
"""Name → entry of celery's schedule."""
