"""Threads that do not die in silence, and work that does not die of one piece of it.

Two ways for an error that nobody foresaw. A thread on which a process depends ends the process
(:func:`start_thread`): its supervisor starts a fresh one. Where the next piece of work is independent of
the one that broke (a round of a loop, a job of a pool, an indicator beside a turn), the piece is given up,
its traceback is logged, and the rest goes on (:class:`Surviving`). What may be expected to fail has its own
``except`` with its own words before either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from shoal.base import exits
from shoal.base.errors import ProcessError, ShoalError
from shoal.base.logging import get_logger

__all__ = ["Surviving", "start_thread"]

log = get_logger(__name__)


class Surviving:
    """``with Surviving("sweep failed", lane=lane):`` one piece of work whose bug must not end the rest.

    Any ``Exception`` inside is logged with its traceback and ends there; what leaves a process or a
    greenlet (``SystemExit``, ``KeyboardInterrupt``) passes.

    Args:
        event: what failed, as the log says it.
        then: run after a failure, for what the piece leaves behind.
        fields: ids for the log, never content.
    """

    def __init__(self, event: str, *, then: Callable[[], None] | None = None, **fields: object) -> None:
        self._event = event
        self._then = then
        self._fields = fields

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        log.error(self._event, exc_info=error, **self._fields)
        if self._then is not None:
            self._then()
        return True


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
        except Exception as error:  # a bug: the process ends with its name, not without one of its threads
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
