"""How an error ends a command: its exit code (:mod:`shoal.base.exits`), what people and programs read."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from shoal.base.errors import (
    ConfigError,
    ProcessError,
    RequestError,
    ShoalError,
    StoreUnavailable,
    StoreUnsuitable,
    TransportError,
)
from shoal.base.exits import BUG, CONFIG, FAILED, UNAVAILABLE, USAGE
from shoal.base.redact import redactor

__all__ = ["exit_code", "print_failure", "report"]


def exit_code(error: BaseException) -> int:
    """The exit code for an error."""
    if isinstance(error, ProcessError):
        return error.exit_code
    if isinstance(error, RequestError) and error.misused:
        return USAGE
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


def print_failure(error: BaseException) -> None:
    """What went wrong as JSON on stdout, for programs that asked with ``--json``; people read stderr."""
    print(json.dumps({"ok": False, "error": _told(error)}, ensure_ascii=False))


def _told(error: BaseException) -> dict[str, Any]:
    from shoal.discord.errors import DiscordError, MissingPermissions

    if not isinstance(error, ShoalError):
        return {"code": "bug", "message": redactor.mask(f"unexpected {type(error).__name__}: {error}")}
    told: dict[str, Any] = {
        "code": error.code,
        "message": redactor.mask(error.message),
        "fix": redactor.mask(error.fix),
    }
    if isinstance(error, ConfigError) and error.issues:
        told["issues"] = [redactor.mask(str(issue)) for issue in error.issues]
    if isinstance(error, DiscordError):
        told |= {"status": error.status, "discordCode": error.json_code}
        told["fields"] = [{"path": path, "code": code, "message": text} for path, code, text in error.fields]
    if isinstance(error, MissingPermissions):
        told["missing"] = list(error.missing)
    return told
