"""The config file: errors, old shapes, what has no effect, and who may read it."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator

from shoal.base.errors import ConfigIssue
from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient

__all__ = ["CHECKS"]

DISK_FREE = 500 * 1024 * 1024


def _config(patient: Patient) -> Iterator[Finding]:
    for issue in patient.issues:
        yield Finding(issue.code or "config-invalid", "critical", _sentence(issue), issue.hint, issue.path)


def _warnings(patient: Patient) -> Iterator[Finding]:
    loaded = patient.loaded
    if loaded is None:
        return
    for issue in loaded.warnings:
        misplaced = issue.path.endswith("requireMention") and "no effect" in issue.message
        yield Finding(
            "require-mention-place" if misplaced else "config-warning",
            "warn",
            _sentence(issue),
            issue.hint,
            issue.path,
        )
    if loaded.unserved:
        yield Finding(
            "config-unserved",
            "info",
            f"These parts of the file have no effect: {', '.join(loaded.unserved[:12])}"
            + (f" and {len(loaded.unserved) - 12} more." if len(loaded.unserved) > 12 else "."),
            "Nothing: they are kept, so that the file still fits OpenClaw.",
        )


def _legacy(patient: Patient) -> Iterator[Finding]:
    for note in patient.loaded.legacy if patient.loaded is not None else ():
        yield Finding(
            "config-legacy", "info", f"{note.path}: {note.message}.", "Run `shoal doctor --fix`.", note.path
        )


def _sentence(issue: ConfigIssue) -> str:
    found = f"; found {issue.found}" if issue.found else ""
    allowed = f"; allowed: {issue.allowed}" if issue.allowed else ""
    return f"{issue.path or '(root)'}: {issue.message}{found}{allowed}."


def _files(patient: Patient) -> Iterator[Finding]:
    """Secrets lie in these files; nobody else may read them."""
    paths = patient.paths
    for path, most in ((paths.state_dir, 0o700), (paths.config, 0o600), (paths.dotenv, 0o600)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077 & ~most:
            yield Finding(
                "file-mode",
                "warn",
                f"{path} can be read by other users of this machine (mode {mode:04o}).",
                f"chmod {most:o} {path}",
                str(path),
            )


def _disk(patient: Patient) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(patient.paths.state_dir).free
    except OSError:  # not made yet
        return
    if free < DISK_FREE:
        yield Finding(
            "disk-full",
            "critical" if free < DISK_FREE // 10 else "warn",
            f"Only {free // 1024 // 1024} MB are free where {patient.paths.state_dir} lies; without room "
            "Redis refuses writes and everything waits.",
            "Make room, or move the state dir.",
        )


def _served(patient: Patient) -> set[str]:
    """Accounts with a living gateway."""
    if patient.store is None:
        return set()
    living = patient.store.processes.living()
    return {str(one.info.get("account")) for one in living if one.kind == "gateway"}


def _accounts(patient: Patient) -> Iterator[Finding]:
    loaded = patient.loaded
    if loaded is None:
        return
    running = set(loaded.account_ids())
    served = _served(patient)
    for state in loaded.account_states:
        if state.id in running or state.state == "disabled":
            continue
        if state.state == "missing" and state.id in served:
            yield Finding(
                "account-token-elsewhere",
                "warn",
                f"The gateway of account {state.id} runs, but this terminal has no token for it: what "
                "Discord knows of it was not looked at.",
                f"Write DISCORD_BOT_TOKEN=… into {patient.paths.state_dir / '.env'}, where every process and "
                "every command finds it.",
                f"account {state.id}",
            )
            continue
        yield Finding(
            f"account-{state.state}",
            "warn" if running else "critical",
            f"Account {state.id} cannot run: {state.reason}.",
            state.fix,
            f"account {state.id}",
        )
    if not loaded.account_states:
        yield Finding(
            "account-missing",
            "critical",
            "No Discord account is configured.",
            "Set DISCORD_BOT_TOKEN, or channels.discord.token in the config file.",
        )


CHECKS = (
    Check(
        "config",
        "errors of the config file",
        ("requireMention false but still no reply", "requireMention in the wrong place"),
        _config,
    ),
    Check(
        "config-warnings",
        "what loads but does not do what was meant",
        (
            "Mention not required but still blocked",
            "requireMention in the wrong place",
            "requireMention false but still no reply",
        ),
        _warnings,
    ),
    Check("config-legacy", "old shapes of the config file", (), _legacy),
    Check("files", "who may read files with secrets", (), _files),
    Check("disk", "room for Redis and logs", (), _disk),
    Check("accounts", "accounts that cannot run", ("First: run doctor",), _accounts),
)
