"""The ``shoal`` command."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any

import typer

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE
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
from shoal.cli.exits import exit_code, print_failure, report
from shoal.cli.prologue import leave_word, supervised

__all__ = ["app", "main"]

app = typer.Typer(
    name="shoal",
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


@app.callback()
def everywhere(
    profile: Annotated[
        str | None, typer.Option(help="Work in ~/.shoal-<profile>, an installation of its own.")
    ] = None,
    dev: Annotated[bool, typer.Option("--dev", help="The same as --profile dev.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; there are none anyway.")] = False,
) -> None:
    """AI agents on Discord, run by a Celery worker fleet. Start with `shoal demo`, then `shoal up`."""
    from config.paths import profile_dir

    del no_color
    wanted = profile or ("dev" if dev else "")
    if not wanted:
        return
    try:
        folder = profile_dir(os.environ, wanted)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--profile") from None
    for name in ("STATE_DIR", "CONFIG_PATH"):  # what is said on the line beats the environment
        for prefix in ("SHOAL_", "OPENCLAW_"):
            os.environ.pop(prefix + name, None)
    os.environ["SHOAL_STATE_DIR"] = str(folder)


_WRONG_USE: Any = typer.BadParameter.__mro__[2]
"""What the command line raises for options and arguments it does not understand. Typer keeps it
to itself, but ``BadParameter`` is one."""


def main() -> None:
    """Entry point: run a command, turn an error into a line, an exit code and, with ``--json``, JSON."""
    try:
        ended = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(130) from None
    except _WRONG_USE as error:
        error.show()
        if _as_json():
            print_failure(ProcessError(error.format_message(), exit_code=USAGE))
        raise SystemExit(USAGE) from None
    except Exception as error:  # noqa: BLE001 - the last net: everything becomes a line and a code
        if _as_json():
            print_failure(error)
        report(error, logged=supervised() and bool(logging.getLogger().handlers))
        leave_word(error)
        raise SystemExit(exit_code(error)) from None
    raise SystemExit(ended if isinstance(ended, int) else 0)


def _as_json() -> bool:
    """Whether the one who called reads JSON, told before anything of the line is understood."""
    return "--json" in sys.argv[1:]
