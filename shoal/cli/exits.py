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


def report(error: BaseException) -> None:
    """Say on stderr what happened, where, and what to do. No traceback unless it is our bug."""
    if isinstance(error, ShoalError):
        print(f"error: {redactor.mask(str(error))}", file=sys.stderr)
        return
    if os.environ.get("SHOAL_DEBUG"):
        print(redactor.mask("".join(traceback.format_exception(error))), file=sys.stderr)
    print(
        redactor.mask(f"error: unexpected {type(error).__name__}: {error}. This is a bug in Shoal.")
        + " Run it again with SHOAL_DEBUG=1 to see where, and please report it.",
        file=sys.stderr,
    )
