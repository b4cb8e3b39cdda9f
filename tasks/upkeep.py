"""``upkeep.*``: plain Celery tasks that put right what a crash may have left behind."""

from __future__ import annotations

from tasks.hints import install_hints
from tasks.runtime import Runtime

__all__ = ["reconcile"]


def reconcile(runtime: Runtime) -> str:
    """One tick a minute: every route has its hint template, so that scripts can knock.

    Returns a line for Flower.
    """
    homes = sorted({process.host for process in runtime.store.processes.living() if process.kind == "turns"})
    install_hints(runtime.app, runtime.store, homes)
    return f"reconciled · {len(homes)} hosts"
