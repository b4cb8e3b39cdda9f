"""``shoal doctor`` and ``shoal security audit``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.base.exits import FAILED
from shoal.cli.options import AsJson, ConfigPath, StateDir

if TYPE_CHECKING:
    from shoal.base.findings import Finding
    from shoal.cli.doctor.fixing import Fixed

__all__ = ["register"]

security_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Who may do what, and what is open to strangers."
)
_MARKS = {"critical": "✗", "warn": "!", "info": "·"}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(doctor)
    app.add_typer(security_app, name="security")


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", "--repair", help="Rewrite old shapes of the config file; keeps a backup.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not try to reach Discord.")] = False,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong, where, and what to do about it. Exit code 1 if something is critical.

    Only --fix writes, and it changes nobody's access: keys that have another name or place today are
    moved there in your file, comments stay. Everything else is said and left to you.
    """
    from shoal.cli.doctor.examine import CHECKS, examine, patient
    from shoal.cli.doctor.fixing import fix as rewrite

    fixed = rewrite(config, state_dir) if fix else None
    with patient(config, state_dir, probe=not offline) as one:
        findings = examine(one)
    if as_json:
        report = {
            "ok": not _critical(findings),
            "findings": [_as_json(each) for each in findings],
            "checks": [check.id for check in CHECKS],
        }
        if fixed is not None:
            report["fixed"] = list(fixed.changes)
            report["fixRefused"] = fixed.refused
        print(json.dumps(report, ensure_ascii=False))
    else:
        print("\n".join([*_fixed_lines(fixed), *_lines(findings, f"{len(CHECKS)} checks")]))
    sys.exit(FAILED if _critical(findings) else 0)


@security_app.command()
def audit(config: ConfigPath = None, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """What the config opens to people who may not be meant. Exit code 1 if something is critical."""
    from shoal.cli.doctor.examine import CHECKS, examine, patient

    checks = [check for check in CHECKS if check.audit or check.id in ("config", "files")]
    with patient(config, state_dir, probe=False) as one:
        findings = examine(one, checks)
    if as_json:
        summary = {word: sum(each.severity == word for each in findings) for word in _MARKS}
        print(json.dumps({"summary": summary, "findings": [_audit_json(each) for each in findings]},
                         ensure_ascii=False))  # fmt: skip
    else:
        print("\n".join(_lines(findings, f"{len(checks)} checks")))
    sys.exit(FAILED if _critical(findings) else 0)


def _critical(findings: list[Finding]) -> bool:
    return any(each.severity == "critical" for each in findings)


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "found": finding.found,
        "fix": finding.fix,
        "where": finding.where,
    }


def _audit_json(finding: Finding) -> dict[str, Any]:
    """The words OpenClaw's audit has."""
    return {
        "checkId": finding.id,
        "severity": finding.severity,
        "title": finding.id.replace("-", " "),
        "detail": finding.found,
        "remediation": finding.fix,
    }


def _fixed_lines(fixed: Fixed | None) -> list[str]:
    if fixed is None:
        return []
    if fixed.refused:
        return [f"Nothing was rewritten: {fixed.refused}.", ""]
    if not fixed.changes:
        return ["Nothing to rewrite.", ""]
    lines = [f"Rewritten: {change}" for change in fixed.changes]
    return [*lines, f"The old version is {fixed.backup}.", "", *fixed.diff.splitlines(), ""]


def _lines(findings: list[Finding], what: str) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.severity]} {finding.severity}: {finding.found}  [{finding.id}]")
        if finding.fix:
            lines.append(f"    fix: {finding.fix}")
    counts = {word: sum(each.severity == word for each in findings) for word in _MARKS}
    if not findings:
        return [f"{what}: nothing found."]
    return [
        *lines,
        "",
        f"{what}: {counts['critical']} critical, {counts['warn']} warnings, {counts['info']} notes.",
    ]
