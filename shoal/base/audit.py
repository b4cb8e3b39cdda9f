"""The audit trail: one log event for each thing refused for safety's sake (``spec/engineering.md`` 5.4).

A line says what kind of thing it was, where it came from and which rule refused it, in words and
ids: never the content, never a query string, never a secret.
"""

from __future__ import annotations

from shoal.base.logging import get_logger

__all__ = ["EVENT", "audit"]

EVENT = "audit"
"""Name of the log event; what a reader of the log looks for."""

_log = get_logger(__name__)


def audit(kind: str, reason: str, **facts: str | int | bool) -> None:
    """Write one line.

    Args:
        kind: what was refused: ``url``, ``path``, ``media``, …
        reason: the rule that refused it, one word.
        facts: where: ``host``, ``place``, ``account``, … Strings are cut to 200 characters.
    """
    short = {name: value[:200] if isinstance(value, str) else value for name, value in facts.items()}
    _log.warning(EVENT, kind=kind, reason=reason, **short)
