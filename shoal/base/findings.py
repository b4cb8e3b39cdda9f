"""A finding: what ``shoal doctor`` and ``shoal security audit`` say about one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity = Literal["critical", "warn", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warn", "info")
"""Worst first. A critical one makes the command's exit code 1."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing somebody should know.

    Attributes:
        id: what was found, for programs: ``kebab-case``, stable.
        severity: ``critical`` does not work or is open to strangers, ``warn`` probably not what was meant,
            ``info`` good to know.
        found: one sentence with the place and the value; no secrets.
        fix: what to do about it.
        where: config path, account or file it is about; empty for all of it.
    """

    id: str
    severity: Severity
    found: str
    fix: str = ""
    where: str = ""
