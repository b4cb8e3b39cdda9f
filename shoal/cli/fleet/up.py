"""``shoal up``: the whole fleet in the foreground of one terminal.

Checks first, with everything that needs the config; then this process replaces itself by
``shoal.cli.fleet.foreground``, which needs a fifth of the memory and has the same pid.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from shoal.base.process import hide_memory
from shoal.cli.fleet import foreground
from shoal.cli.fleet.layout import Layout, Lock
from shoal.cli.fleet.plan import WORKERS, plan
from shoal.cli.fleet.prepare import check_accounts, check_port, check_redis

__all__ = ["run_up"]


def run_up(
    *, workers: int | None, flower: bool, force: bool, config: Path | None, state_dir: Path | None
) -> NoReturn:
    """Start everything, show the merged log until a signal, drain; ends the process.

    Raises:
        ShoalError: the fleet cannot start or cannot go on.
    """
    hide_memory()
    import config as configuration

    loaded = configuration.load(config, state_dir=state_dir)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    accounts = check_accounts(loaded)
    layout = Layout(loaded.state_dir)
    lock = Lock(loaded.state_dir)
    lock.acquire()
    embedded = check_redis(loaded)
    page = loaded.root.fleet.flower
    flower = flower and page.enabled
    if flower:
        check_port("Flower", "127.0.0.1", page.port, "fleet.flower.port, or leave it out with --no-flower")
    layout.prepare()
    env = {**loaded.env, "SHOAL_STATE_DIR": str(loaded.state_dir)}
    env["SHOAL_CONFIG_PATH"] = str(loaded.path or loaded.paths.config)
    counts = {kind: getattr(loaded.root.fleet.workers, kind).processes for kind in WORKERS}
    if workers is not None:
        counts["turns"] = workers
    programs = plan(accounts, workers=counts, embedded_redis=embedded, flower=flower, force=force)
    foreground.become(layout, programs, env, lock)
