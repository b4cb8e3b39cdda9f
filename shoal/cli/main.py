"""The ``shoal`` command."""

from __future__ import annotations

import logging

import typer

from shoal.cli.commands import (
    channels,
    configuration,
    demo,
    doctor,
    fleet,
    inspect,
    message,
    pairing,
    processes,
    simulator,
    workers,
)
from shoal.cli.exits import exit_code, report
from shoal.cli.prologue import leave_word, supervised

__all__ = ["app", "main"]

app = typer.Typer(
    name="shoal",
    help="AI agents on Discord, run by a Celery worker fleet. Start with `shoal demo`, then `shoal up`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PARTS = (
    demo,
    fleet,
    inspect,
    pairing,
    channels,
    message,
    doctor,
    configuration,
    processes,
    workers,
    simulator,
)
for part in _PARTS:
    part.register(app)


def main() -> None:
    """Entry point: run a command, turn an error into one line and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:  # noqa: BLE001 - the last net: everything becomes a line and a code
        report(error, logged=supervised() and bool(logging.getLogger().handlers))
        leave_word(error)
        raise SystemExit(exit_code(error)) from None
