"""``shoal demo``: the whole fleet against a Discord of its own; no account, key or network needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(demo)


def demo(
    say: Annotated[str | None, typer.Option(help="Say this, print the answer, leave.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that run agent turns.")] = 1,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")] = 60.0,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the fleet's log (on stderr).")] = False,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep the demo's files here. Default: a folder that is removed.")
    ] = None,
) -> None:
    """Chat with an agent in this terminal, through the whole fleet and a simulated Discord.

    With --say or piped input it prints only the answer; exit code 0 means it was answered.
    """
    from shoal.cli.demo.session import run_demo

    text = say
    if text is None and not sys.stdin.isatty():
        text = sys.stdin.read()
    sys.exit(run_demo(text, workers=workers, timeout_s=timeout, verbose=verbose, state_dir=state_dir))
