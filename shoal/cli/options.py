"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "ConfigPath", "StateDir"]

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Config file (JSON5). Default: shoal.json in the state dir.", dir_okay=False
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", help="Where Shoal keeps its files. Default: ~/.shoal.", file_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
