"""What beat ticks."""

from __future__ import annotations

from typing import Any

__all__ = ["PERIODIC"]

PERIODIC: dict[str, dict[str, Any]] = {
    name: {
        "task": f"upkeep.{name}",
        "schedule": 60.0,
        "options": {"queue": "upkeep", "expires": 55},
    }
    for name in ("reconcile", "archive", "memory")
}
"""Name → entry of celery's schedule."""
