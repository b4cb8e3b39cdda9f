"""What every process of the fleet does before its work, in this order.

1. Tie itself to its supervisor, hide its memory (rules R15, R17).
2. Wait a moment if it has been started very often: supervisord restarts at once, always.
   Ten kills in ten seconds are forgiven; a crash loop costs one start every few seconds.
3. Read the config, start logging, work in the empty folder (rule R31).
4. With proxies configured: refuse every connection around them (rule R34).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.base.errors import ShoalError
from shoal.base.exits import CONFIG
from shoal.base.process import die_with_parent, hide_memory
from shoal.cli.exits import exit_code
from shoal.cli.fleet.layout import FLEET_DIR, PROCESS_NAME, SUPERVISOR_PID, Layout, private_dir

if TYPE_CHECKING:
    from config import Loaded

__all__ = ["enter", "leave_word", "supervised", "tie"]

FREE_STARTS = 15
"""Starts within a minute that cost no wait."""
PAUSE_S = 2.0
"""Wait of each further start within that minute."""


def tie(*, supervisor: str | None = None) -> None:
    """Die with the supervisor, hide memory, slow a crash loop down. Needs no config."""
    told = supervisor if supervisor is not None else os.environ.get(SUPERVISOR_PID)
    if told:
        die_with_parent(int(told))
    hide_memory()
    state_dir, name = os.environ.get(FLEET_DIR), os.environ.get(PROCESS_NAME)
    if state_dir and name and Layout(Path(state_dir)).note_start(name) > FREE_STARTS:
        time.sleep(PAUSE_S)


def enter(
    kind: str,
    *,
    config: Path | None,
    state_dir: Path | None,
    index: int = 1,
    account: str | None = None,
) -> Loaded:
    """Become a process of the fleet: tied, logging, in the empty folder.

    Args:
        kind: ``gateway``, ``front``, ``beat``, …
        config: config file, or None for the usual place.
        state_dir: state dir, or None for the usual place.
        index: which one of several of this kind on this host.
        account: the only account this process serves; without it, all.

    Raises:
        ConfigError: the config cannot be used, or there is no such account.
    """
    tie()
    import config as configuration
    from shoal.base.logging import setup_logging
    from shoal.cli.egress import guard_egress

    loaded: Loaded = configuration.load(config, state_dir=state_dir)
    name = kind if index == 1 else f"{kind}.{index}"
    setup_logging(
        f"{name}@{loaded.host}",
        level=os.environ.get("SHOAL_LOG_LEVEL") or "INFO",
        state_dir=private_dir(loaded.state_dir),
        json=os.environ.get("SHOAL_LOG_FORMAT") == "json",
    )
    os.chdir(private_dir(loaded.paths.run))
    guard_egress(loaded, [account] if account else None, process=name)
    return loaded


def supervised() -> bool:
    """Whether this process was started by ``shoal up``."""
    return bool(os.environ.get(FLEET_DIR) and os.environ.get(PROCESS_NAME))


def leave_word(error: BaseException) -> None:
    """In a supervised process: tell ``shoal up`` about an error that a restart will not cure."""
    state_dir, name = os.environ.get(FLEET_DIR), os.environ.get(PROCESS_NAME)
    if not (state_dir and name) or exit_code(error) != CONFIG:
        return
    from shoal.base.redact import redactor

    message = str(error) if isinstance(error, ShoalError) else repr(error)
    try:
        Layout(Path(state_dir)).write_fatal(name, redactor.mask(message))
    except OSError as problem:
        print(f"error: cannot tell the fleet why this process stops: {problem}", file=sys.stderr)
