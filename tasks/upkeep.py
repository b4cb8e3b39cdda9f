"""``upkeep.*``: plain Celery tasks that put right what a crash may have left, and keep the store small.

Each may run twice at once and may be lost: the next tick does the same. Each returns one line for Flower.
"""

from __future__ import annotations

from shoal.base.logging import get_logger
from shoal.state.relief import PRUNE_AT, relieve
from tasks.hints import install_hints
from tasks.homes import settle_homes
from tasks.owners import tell_owner
from tasks.runtime import Runtime

__all__ = ["archive", "mind_memory", "reconcile"]

log = get_logger(__name__)

LOOK_BACK_MS = 10 * 60_000
"""Sessions updated since then are looked at: ten ticks, so that some may be missed."""


def reconcile(runtime: Runtime) -> str:
    """Every route has its hint template, so that scripts can knock; every agent the home it should have."""
    homes = sorted({process.host for process in runtime.store.processes.living() if process.kind == "turns"})
    install_hints(runtime.app, runtime.store, homes)
    return f"reconciled · {len(homes)} hosts, {settle_homes(runtime.loaded, runtime.store)}"


def archive(runtime: Runtime) -> str:
    """Transcripts that have grown beyond 2 MB are packed (rule R27)."""
    sessions = runtime.store.sessions
    moved = sessions.archive_recent(since_ms=runtime.store.now_ms() - LOOK_BACK_MS)
    return f"archived · {moved} entries"


def mind_memory(runtime: Runtime) -> str:
    """At 80 % of Redis' memory make room and tell the owner, long before writes are refused (rule R27)."""
    share = runtime.store.memory_share()
    if share < PRUNE_AT:
        return f"memory · {share * 100:.0f} %"
    keys, entries = relieve(runtime.store, [state.id for state in runtime.loaded.account_states])
    log.warning("Redis is filling up", percent=round(share * 100), keys_pruned=keys, entries_packed=entries)
    tell_owner(runtime, "memory-short")
    return f"memory · {share * 100:.0f} % · {keys} keys pruned, {entries} entries packed"
