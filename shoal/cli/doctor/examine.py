"""Runs the checks: gathers what they look at once, sorts what they find."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from shoal.base.errors import ShoalError
from shoal.base.findings import SEVERITIES, Finding
from shoal.base.redact import redactor
from shoal.cli.doctor import access, configuration, discord, proxies, replies, store
from shoal.cli.doctor.check import Check, Patient

__all__ = ["CHECKS", "examine", "patient"]

CHECKS: tuple[Check, ...] = (
    *configuration.CHECKS,
    *access.CHECKS,
    *proxies.CHECKS,
    *discord.CHECKS,
    *replies.CHECKS,
    *store.CHECKS,
)


@contextmanager
def patient(config: Path | None, state_dir: Path | None, *, probe: bool) -> Iterator[Patient]:
    """Gather everything the checks look at. Nothing that is missing is an error: the checks tell of it.

    Args:
        probe: try to reach Discord.
    """
    from config.loading import validate_file
    from config.paths import find_paths
    from shoal.cli.doctor.logs import recent
    from shoal.cli.doctor.probes import probe_all
    from shoal.cli.store import opened

    paths = find_paths(os.environ, path=config, state_dir=state_dir)
    issues, _, loaded = validate_file(config, state_dir=state_dir, allow_exec=True)
    if loaded is not None:
        paths = loaded.paths
    with ExitStack() as stack:
        found, error = None, None
        if loaded is not None:
            try:
                found = stack.enter_context(opened(loaded))
            except ShoalError as refused:
                error = refused
        yield Patient(
            paths=paths,
            loaded=loaded,
            issues=tuple(issues),
            store=found,
            store_error=error,
            probes=probe_all(loaded) if probe and loaded is not None else {},
            log=recent(paths.logs, datetime.now()),
        )


def examine(one: Patient, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Everything the checks find, the worst first. A check that fails is a finding too."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += check.run(one)
        except ShoalError as error:
            found.append(
                Finding(
                    "check-failed", "warn", f"Check {check.id} could not be made: {error.message}", error.fix
                )
            )
    return sorted((_masked(each) for each in found), key=lambda each: SEVERITIES.index(each.severity))


def _masked(finding: Finding) -> Finding:
    """No secret in what is shown, whatever a check has quoted."""
    mask = redactor.mask
    return Finding(finding.id, finding.severity, mask(finding.found), mask(finding.fix), finding.where)
