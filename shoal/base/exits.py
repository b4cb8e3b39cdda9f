"""Exit codes of every process of the fleet and of the ``shoal`` command (BSD's sysexits where one fits).

    0   done (for ``demo``: answered)
    1   failed, or not answered
    2   wrong use of the command
    69  something outside cannot be reached (Redis, Discord, the proxy)
    70  a bug of ours, or a worker that has gone deaf; the log says which
    75  somebody else is at it (second fleet, second gateway); later may work
    78  the configuration, a token or an intent must be changed first

A supervisor that sees 78 must not start the process again: it would fail the same way.
"""

from __future__ import annotations

__all__ = ["BUG", "BUSY", "CONFIG", "FAILED", "UNAVAILABLE", "USAGE"]

FAILED = 1
USAGE = 2
UNAVAILABLE = 69
BUG = 70
BUSY = 75
CONFIG = 78
