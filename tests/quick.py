"""How many generated examples a test draws: all of them in ``make test``, a fifth in ``make check``."""

from __future__ import annotations

import os

QUICK = bool(os.environ.get("SHOAL_TESTS_QUICK"))
"""``make check`` runs."""


def examples(full: int) -> int:
    """``full``, or a fifth of it in ``make check``."""
    return max(1, full // 5) if QUICK else full
