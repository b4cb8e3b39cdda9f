"""What of Celery's consuming loop is done differently here, so that a hint is cheap.

A hint is a knock, not work: losing one costs a second (a sweep knocks again), a double one
nothing. So what Celery and kombu do per message to remember it is left out:

* **no acknowledgements** on queues of hints (``upkeep`` carries plain tasks and has them). kombu notes every
  message it takes in ``unacked`` (a transaction with two writes, an fsync) and strikes it out again (another
  one), and after an hour it would bring back what a killed worker had taken.
* **monitoring events go out twice a second, together,** instead of three times per task; each
  costs a client object, a publish, and the same again in Flower.
* **threads take turns often.** Between the consuming loop and the thread that runs a task
  Python hands over only every 5 ms while the other computes; at half a millisecond a task
  starts when it arrives.
* **what is no task of ours is refused in one line** that holds none of its content: Celery writes the whole
  message into the log. In the middle of an upgrade it is a task of another release. Nothing is lost by it:
  the record it knocked for is handed out again, and what wants a plain task asks for it again.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from kombu.entity import Queue

from shoal.base.logging import get_logger

__all__ = ["FleetConsumer", "HintRequest", "hint_queue", "tune_process", "work_queue"]

_NAME = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,40}")

log = get_logger(__name__)

EVENTS_EVERY_S = 0.5
THREAD_TURN_S = 0.0005


def tune_process() -> None:
    """Make this process a quick one; once, before its threads start."""
    sys.setswitchinterval(THREAD_TURN_S)
    # "received" says nothing that "succeeded" does not, and stands in the way of the task's start
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)


def hint_queue(name: str) -> Queue:
    """A queue of hints, consumed without acknowledgements."""
    return Queue(name, routing_key=name, no_ack=True)


def work_queue(name: str) -> Queue:
    """A queue whose messages are settled when their task says so: for plain tasks, which are no hints."""
    return Queue(name, routing_key=name)


class HintRequest(Request):  # type: ignore[misc]
    """A request whose message was settled when it was taken."""

    def acknowledge(self) -> None:
        """There is nothing to acknowledge."""
        self.acknowledged = True

    def reject(self, requeue: bool = False) -> None:  # noqa: ARG002 - Celery's signature
        """There is nothing to give back."""
        self.acknowledged = True


class FleetConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer, with events sent by a timer."""

    def register_with_event_loop(self, hub: Any) -> None:
        """Begin to send events (called by Celery at every connect; it ends the timer itself)."""
        super().register_with_event_loop(hub)
        hub.call_repeatedly(EVENTS_EVERY_S, self._flush_events)

    def on_send_event_buffered(self) -> None:
        """An event waits; the timer will take it along.

        Called in the thread of a task that has just ended, too: if it had the last free slot, the loop
        sleeps without looking at the queues and must be told.
        """
        if self.hub and len(state.reserved_requests) >= self.pool.num_processes - 1:
            self.hub.call_soon(self._look_again)

    def _look_again(self) -> None:
        """Nothing to do: awake, the loop asks for messages by itself."""

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's
        """A task that is not registered here."""
        self._refuse(message, "unknown task")

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's signature
        """A message that is no task."""
        self._refuse(message, "no task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's
        """A task whose arguments are none."""
        self._refuse(message, "broken task")

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """A body that cannot be read."""
        self._refuse(message, "unreadable task")

    def _refuse(self, message: Any, why: str) -> None:
        name, queue = (
            str((message.headers or {}).get("task")),
            (message.delivery_info or {}).get("routing_key"),
        )
        log.warning(
            "a task was refused", why=why, task=name if _NAME.fullmatch(name) else "?", queue=str(queue)[:60]
        )
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)
