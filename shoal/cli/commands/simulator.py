"""``shoal simulator``: a Discord of your own on this machine, for any client."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(simulator)


def simulator(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8060,
    log: Annotated[
        Path | None, typer.Option(help="Write every event and request to this file, as JSON lines.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="JSON file with a list of faults to start with.", exists=True)
    ] = None,
) -> None:
    """Run a local Discord: gateway, REST, CDN and a control API, with one server, one person, one bot."""
    from shoal.simulator.server import Simulator, run

    def announce(server: Simulator) -> None:
        print(f"Discord simulator: {server.url} (REST {server.api_url}, control {server.url}/control)")
        print(f"Bot token: {server.token}")
        print("Ctrl-C stops it.", flush=True)

    run(port, log, faults, ready=announce)
