"""What a check is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoal.base.findings import Finding

if TYPE_CHECKING:
    from config import Account, Loaded, Paths
    from shoal.base.errors import ConfigIssue, ShoalError
    from shoal.cli.doctor.logs import LogLine
    from shoal.cli.doctor.probes import Probe
    from shoal.state.store import Store

__all__ = ["Check", "Patient"]


@dataclass(frozen=True)
class Patient:
    """One installation, looked at once.

    Attributes:
        paths: where its files are.
        loaded: the config; None if it cannot be used.
        issues: why it cannot.
        store: Redis; None if it is not reachable, with the reason in ``store_error``.
        probes: account → what an attempt to reach Discord said; empty with ``--offline``.
        log: recent lines of ``logs/shoal.log``.
    """

    paths: Paths
    loaded: Loaded | None = None
    issues: tuple[ConfigIssue, ...] = ()
    store: Store | None = None
    store_error: ShoalError | None = None
    probes: Mapping[str, Probe] = field(default_factory=dict)
    log: tuple[LogLine, ...] = ()

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Accounts that can run."""
        return self.loaded.accounts if self.loaded is not None else ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at.

    Attributes:
        id: name, ``kebab-case``; findings have ids of their own.
        looks_at: what it looks at, for people.
        headings: trouble-shooting headings of the manuals it answers, as in ``docs/troubleshooting.md``.
        run: yields what it finds.
        audit: it is about who may do what: part of ``shoal security audit``.
    """

    id: str
    looks_at: str
    headings: tuple[str, ...]
    run: Callable[[Patient], Iterable[Finding]]
    audit: bool = False
