"""Sending plain tasks: work that is idempotent, unordered, and asked for again by whoever still needs it.

Unlike hints, their messages are kept until the task is done (queue ``upkeep``), and end by themselves.
"""

from __future__ import annotations

from celery import Celery
from kombu.entity import Exchange, Queue

__all__ = ["send_plain"]


def send_plain(app: Celery, task: str, *args: str, queue: str = "upkeep", expires_s: float = 120.0) -> None:
    """Put a task on a queue. ``args`` are names and ids, never content.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; nobody is kept waiting.
    """
    app.send_task(
        task,
        args=args,
        queue=Queue(queue, Exchange(""), routing_key=queue),
        expires=expires_s,
        argsrepr=f"({', '.join(args)})",
        kwargsrepr="{}",
        retry=False,
    )
