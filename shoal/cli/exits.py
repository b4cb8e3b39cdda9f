"""Exit codes of the ``shoal`` command, and how an error becomes one line for people.

    0   done (for ``demo``: answered)
    1   failed, or not answered
    2   wrong use of the command
    69  something outside cannot be reached (Redis, Discord, the proxy)
    70  a bug of ours; the log has the traceback
    75  somebody else is at it (second fleet, second gateway); later may work
    78  the configuration, a token or an intent must be changed first

A supervisor that sees 78 must not start the process again: it would fail the same way.
"""

from __future__ import annotations

import os
import sys
import traceback

from shoal.base.errors import (
    ConfigError,
    ProcessError,
    ShoalError,
    StoreUnavailable,
    StoreUnsuitable,
    TransportError,
)
from shoal.base.redact import redactor

__all__ = ["BUG", "BUSY", "CONFIG", "FAILED", "UNAVAILABLE", "exit_code", "report"]

FAILED = 1
UNAVAILABLE = 69
BUG = 70
BUSY = 75
CONFIG = 78


def exit_code(error: BaseException) -> int:
    """The exit code for an error."""
    if isinstance(error, ProcessError):
        return error.exit_code
    if isinstance(error, (ConfigError, StoreUnsuitable)):
        return CONFIG
    if isinstance(error, (StoreUnavailable, TransportError)):
        return UNAVAILABLE
    if isinstance(error, ShoalError):
        return FAILED
    return BUG


def report(error: BaseException, *, logged: bool = False) -> None:
    """Say on stderr what happened, where, and what to do. No traceback unless it is our bug and wanted.

    Args:
        error: what ended the command.
        logged: this is a process of the fleet: its log is the place to say it, tracebacks included.
    """
    bug = not isinstance(error, ShoalError)
    text = f"unexpected {type(error).__name__}: {error}. This is a bug in Shoal." if bug else str(error)
    if logged:
        from shoal.base.logging import get_logger

        get_logger(__name__).error(
            redactor.mask(text), exit_code=exit_code(error), exc_info=error if bug else None
        )
        return
    if bug and os.environ.get("SHOAL_DEBUG"):
        print(redactor.mask("".join(traceback.format_exception(error))), file=sys.stderr)
    hint = " Run it again with SHOAL_DEBUG=1 to see where, and please report it." if bug else ""
    print(f"error: {redactor.mask(text)}{hint}", file=sys.stderr)
