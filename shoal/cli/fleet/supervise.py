"""The supervisor process: ``python -P -m shoal.cli.fleet.supervise <conf>``.

supervisord in the foreground, tied to ``shoal up``: if that is killed, the kernel sends
SIGTERM here and the fleet drains. Its own children learn its pid, so that they can tie
themselves to it in turn.

supervisord looks at its children once a second and between two looks does nothing: a dead
process waits up to a second for its successor, and each step of a drain costs one. Its
poller is told to return after a fifth of that.

A line that cannot be logged must not end a fleet either: supervisord reports it on a stream
that lies on the same full disk, and would leave with that second error.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from typing import Any

from shoal.base.process import FLEET_RUN, die_with_parent, hide_memory
from shoal.cli.fleet.layout import SUPERVISOR_PID

__all__ = ["main"]

LOOK_EVERY_S = 0.2


def _look_more_often() -> None:
    from supervisor import poller

    class QuickPoller(poller.Poller):  # type: ignore[misc]  # the package has no types
        def poll(self, timeout: float) -> Any:
            return super().poll(min(timeout, LOOK_EVERY_S))

    poller.Poller = QuickPoller


def _outlive_a_full_disk() -> None:
    from supervisor import loggers

    rollover = loggers.RotatingFileHandler.doRollover

    def forget(handler: Any) -> None:
        """Let the line go: there is no place left to tell of it."""
        del handler

    def roll_over(handler: Any) -> None:
        try:
            rollover(handler)
        except OSError:
            # closing flushes and closes, also when the flush fails
            if handler.stream.closed:
                handler.stream = open(handler.baseFilename, "ab")  # noqa: SIM115 - lives as long as the handler

    loggers.Handler.handleError = forget
    loggers.RotatingFileHandler.doRollover = roll_over


def main(argv: list[str]) -> None:
    """Run until told to stop."""
    conf, parent = argv
    hide_memory()
    os.environ[SUPERVISOR_PID] = str(os.getpid())
    os.environ[FLEET_RUN] = secrets.token_hex(8)
    _look_more_often()
    _outlive_a_full_disk()
    from supervisor import supervisord

    # after the import: SIGTERM must find supervisord's own handler or end a process without children
    die_with_parent(int(parent), sig=signal.SIGTERM)
    supervisord.main(["-n", "-c", conf])


if __name__ == "__main__":
    main(sys.argv[1:])
