"""``shoal simulator``: a Discord of your own on this machine, for any client."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
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
    from shoal.simulator.server import Simulator

    server = Simulator(port=port, log=log, faults=faults)
    server.start()
    ended = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"Discord simulator: {server.url} (REST {server.url}/api/v10, control {server.url}/control)")
    print("Ctrl-C stops it.", flush=True)
    ended.wait()
    server.stop()
