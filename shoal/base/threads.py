"""Threads that do not die in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shoal.base import exits
from shoal.base.errors import ProcessError, ShoalError
from shoal.base.logging import get_logger

__all__ = ["start_thread"]

log = get_logger(__name__)


def start_thread(
    name: str, body: Callable[[], None], on_fatal: Callable[[ShoalError], None]
) -> threading.Thread:
    """Run ``body`` in a daemon thread; whatever it raises is given to ``on_fatal``, which ends the process.

    A process that goes on without one of its threads looks healthy and does half its work.
    """

    def run() -> None:
        try:
            body()
        except ShoalError as error:
            on_fatal(error)
        except Exception as error:
            log.exception("thread failed", thread=name)
            on_fatal(
                ProcessError(
                    f"The {name} thread failed ({type(error).__name__}: {error}).",
                    fix="This is a bug in Shoal; the log has the traceback. The next process goes on.",
                    exit_code=exits.BUG,
                )
            )

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
