"""Runs one worker process in code: never through ``celery …``, which would import a
``tasks`` folder of whatever directory it is started in (rule R31).

    front    interactive, inbound      threads   quick: acks, admission
    back     interactive, delivery,    threads   sending (rate waits go back to the lane); files
             upkeep, upkeep.<home>               that have to be on this host's disk; clicks too,
                                                 so that none waits for a ``front`` that has died
    turns    turns, turns.<home>       threads   agent turns
    chores   chores                    prefork   exec, media, quarantine: limits are real there
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

from celery import Celery, signals
from celery.worker import WorkController
from celery.worker import state as worker_state

from config import Loaded
from shoal.base.errors import ProcessError
from shoal.base.logging import get_logger
from shoal.base.process import die_with_parent
from shoal.state.pairing_files import take_over_files
from tasks.app import QUEUE_PREFIX, WORK_QUEUES
from tasks.consuming import hint_queue, tune_process, work_queue
from tasks.control import install_controls
from tasks.hints import install_hints
from tasks.homes import settle_homes
from tasks.registry import import_bodies, register
from tasks.runtime import Runtime, open_runtime
from tasks.stopping import SharedFlag, Stopping
from tasks.stuck import StuckWatch
from tasks.sweeper import Sweeper
from tasks.warm import warm_up_when_ready
from tasks.watchdog import Watchdog
from workers.sessions.stuck import Limits

__all__ = ["KINDS", "WorkerKind", "run"]

CHORES_TIME_LIMIT_S = 3600
CHORES_MAX_TASKS = 200
CHORES_MAX_MEMORY_KB = 1_000_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """Queues and pool of one kind of worker; ``home`` adds this host's own queue of that name."""

    name: str
    queues: tuple[str, ...]
    pool: str
    concurrency: int
    home: str = ""


KINDS = {
    kind.name: kind
    for kind in (
        WorkerKind("front", ("interactive", "inbound"), "threads", 8),
        WorkerKind("back", ("interactive", "delivery", "upkeep"), "threads", 16, home="upkeep"),
        WorkerKind("turns", ("turns",), "threads", 32, home="turns"),
        WorkerKind("chores", ("chores",), "prefork", 1),
    )
}


def run(kind_name: str, loaded: Loaded, *, index: int = 1, concurrency: int | None = None) -> int:
    """Run a worker until SIGTERM; returns the exit code.

    Args:
        kind_name: one of :data:`KINDS`.
        loaded: the config.
        index: tells several workers of one kind on one host apart.
        concurrency: tasks at once; none takes the config's ``fleet.workers``, else the kind's own.

    Raises:
        ProcessError: no such kind.
        StoreUnavailable, StoreUnsuitable: Redis is away or must not be used as it is.
    """
    kind = KINDS.get(kind_name)
    if kind is None:
        raise ProcessError(f"There is no worker kind {kind_name!r}.", fix=f"Use one of: {', '.join(KINDS)}.")
    if kind.pool == "threads":
        import_bodies(kind.queues)
    runtime = open_runtime(loaded, kind.name, index=index)
    tune_process()
    queues = [*kind.queues, *([f"{kind.home}.{runtime.home}"] if kind.home else [])]
    slots = concurrency or getattr(loaded.root.fleet.workers, kind.name).concurrency or kind.concurrency
    current = [runtime]
    flag = SharedFlag()  # before anything forks
    _stop_together(runtime.stopping, flag)
    _declare_queues(runtime.app, queues)
    if kind.pool == "prefork":
        _reopen_in_children(current, loaded, kind, index, flag)
    register(runtime.app, lambda: current[0], quarantine=kind.pool == "prefork")
    install_controls(lambda: current[0])
    install_hints(runtime.app, runtime.store, homes=[runtime.home])
    if kind.name == "turns":
        settle_homes(loaded, runtime.store)
    if kind.name == "front":
        for sentence in take_over_files(runtime.store, loaded.state_dir, loaded.account_ids()):
            log.warning(sentence)
    runtime.start()
    diagnostics = loaded.root.diagnostics
    limits = Limits(diagnostics.stuck_session_warn_ms, int(diagnostics.abort_ms))
    tell = partial(_tell_of_the_dead, runtime)
    Sweeper(runtime.store, runtime.stopping, tell, StuckWatch(runtime.store, limits)).start()
    # tasks of a prefork pool run in children, whose signals are not heard here
    in_hand = None if kind.pool == "threads" else lambda: len(worker_state.reserved_requests)
    Watchdog(runtime.store, [QUEUE_PREFIX + name for name in queues], slots, in_hand=in_hand).start()
    if kind.pool == "threads":
        warm_up_when_ready(runtime)
    worker = _controller(runtime.app, kind, queues, slots, runtime.node_name)
    log.info("worker is ready", kind=kind.name, queues=queues, concurrency=slots)
    worker.start()
    runtime.close()
    return runtime.stopping.code or int(worker.exitcode or 0)


def _tell_of_the_dead(runtime: Runtime) -> None:
    """What telling needs is made when there is something to tell, and not in every kind of worker."""
    if not runtime.store.lanes.dead_unnoticed():
        return
    from tasks.deaths import Owner, tell_of_the_dead
    from workers.agent.shown import status_settings

    messages = runtime.loaded.root.messages
    status = status_settings(messages.status_reactions)
    states = tuple(status.emojis.values()) if status else ()
    tell_of_the_dead(runtime.store, states, Owner(runtime.delivery_deps.owner_dm, messages.language))


def _stop_together(stopping: Stopping, flag: SharedFlag) -> None:
    """Whoever wants us to stop (SIGTERM, ``drain``, leaked threads): Celery and our children do so too."""

    def everywhere(code: int) -> None:
        flag.raise_()
        worker_state.should_stop = code  # Celery's own flag: stop consuming, then leave with this code

    stopping.on_request(everywhere)
    signals.worker_shutting_down.connect(lambda **_: stopping.request(), weak=False)


def _declare_queues(app: Celery, queues: list[str]) -> None:
    app.conf.task_queues = [
        work_queue(name) if name.partition(".")[0] in WORK_QUEUES else hint_queue(name) for name in queues
    ]


def _controller(
    app: Celery, kind: WorkerKind, queues: list[str], slots: int, node_name: str
) -> WorkController:
    limits = {}
    if kind.pool == "prefork":
        limits = {
            "time_limit": CHORES_TIME_LIMIT_S,
            "max_tasks_per_child": CHORES_MAX_TASKS,
            "max_memory_per_child": CHORES_MAX_MEMORY_KB,
        }
    return app.Worker(
        hostname=node_name,
        pool_cls=kind.pool,
        concurrency=slots,
        queues=queues,
        without_gossip=True,
        without_mingle=True,
        task_events=True,
        loglevel="WARNING",
        quiet=True,
        **limits,
    )


def _reopen_in_children(
    current: list[Runtime], loaded: Loaded, kind: WorkerKind, index: int, flag: SharedFlag
) -> None:
    """Sockets and threads do not survive a fork: each child opens its own. None outlives its parent,
    and all stop when it does.
    """
    parent = os.getpid()

    def reopen(**_: object) -> None:
        die_with_parent(parent)
        runtime = open_runtime(loaded, kind.name, index=index, app=current[0].app)
        runtime.start()
        runtime.stopping.follow(flag)
        current[0] = runtime

    signals.worker_process_init.connect(reopen, weak=False)
