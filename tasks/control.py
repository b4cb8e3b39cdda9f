"""Remote control commands of our own: what an operator asks a running worker.

    turns       what is in hand: lane, step, age
    stats       Celery's own, with the broker's password masked
    lanes       depth and oldest age per lane class, from the store
    drain       take no new work, give back what is held, then leave
    log_level   change the level of this process's log

They travel by Celery's pub/sub, so Flower's and ``shoal``'s calls reach every worker. Answers
hold lane names, steps and numbers, never content.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from celery.worker.control import control_command, inspect_command, stats

from shoal.base.redact import mask_url
from tasks.runtime import Runtime

__all__ = ["install_controls"]

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def install_controls(runtime: Callable[[], Runtime]) -> None:
    """Register the commands for this process; ``runtime`` gives its parts when one is called."""

    @inspect_command(name="turns")
    def _turns(_state: Any, **_: Any) -> list[dict[str, Any]]:
        return turns_in_hand(runtime())

    @inspect_command(name="stats")
    def _stats(state: Any, **_: Any) -> dict[str, Any]:
        return masked_stats(stats(state))

    @inspect_command(name="lanes")
    def _lanes(_state: Any, **_: Any) -> dict[str, dict[str, int]]:
        counts = runtime().store.lanes.counts()
        return {name: {"lanes": lanes, "due": due} for name, (lanes, due) in counts.items() if lanes}

    @control_command(name="drain")
    def _drain(_state: Any, **_: Any) -> dict[str, str]:
        runtime().stopping.request()
        return {"ok": "draining: lanes are given back, then the process leaves"}

    @control_command(name="log_level", args=[("level", str)], signature="LEVEL")
    def _log_level(_state: Any, level: str, **_: Any) -> dict[str, str]:
        return set_log_level(level)


def masked_stats(told: dict[str, Any]) -> dict[str, Any]:
    """Celery's own ``stats`` without the password that kombu leaves in a socket's address."""
    broker = told.get("broker")
    if isinstance(broker, dict):
        told["broker"] = {
            key: mask_url(value) if isinstance(value, str) else value
            for key, value in broker.items()
            if key not in ("transport_options", "password")
        }
    return told


def turns_in_hand(runtime: Runtime) -> list[dict[str, Any]]:
    """Every lane this process holds: its name, the step in hand, seconds since it was taken."""
    now = time.monotonic()
    return [
        {"lane": held.lane, "step": held.step, "age_s": round(now - held.since, 1)}
        for held in runtime.keeper.in_hand()
    ]


def set_log_level(level: str) -> dict[str, str]:
    """Change the root level; an unknown word is answered with the known ones."""
    word = level.upper()
    if word not in LEVELS:
        return {"error": f"There is no level {level!r}; use one of {', '.join(LEVELS)}."}
    logging.getLogger().setLevel(word)
    return {"ok": f"log level is {word} now"}
