"""Every task of the fleet and its name. Thin on purpose: the work is in ``workers``.

A task's body is imported when it first runs, or by :func:`import_bodies`: ``chores`` knows every task because
of the quarantine and runs one of them once in a blue moon, and each body brings 10 MB of code along.

Tasks take one lane name and nothing else, and only of a lane that is theirs: a forged message can
only knock. (A delivery task let into a session lane would find its records unreadable, and kill them.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from celery import Celery
from kombu.utils.imports import symbol_by_name

from shoal.base.errors import InvalidName
from shoal.state.queues import CLASSES, check_lane, lane_class
from tasks.app import WORK_QUEUES
from tasks.runtime import Runtime

__all__ = ["LANE_TASKS", "UPKEEP_TASKS", "import_bodies", "register"]

LANE_TASKS = {
    "inbound.admit": "tasks.inbound:admit_lane",
    "interaction.ack": "tasks.interaction:ack_lane",
    "session.turn": "tasks.session:turn_lane",
    "delivery.send": "tasks.delivery:send_lane",
    "reaction.work": "tasks.reaction:react_lane",
}
"""Task name → body, a ``(Runtime, str) -> str``. It returns one line without content, which Flower shows."""

UPKEEP_TASKS = {
    "upkeep.reconcile": "tasks.upkeep:reconcile",
    "upkeep.archive": "tasks.upkeep:archive",
    "upkeep.memory": "tasks.upkeep:mind_memory",
    "upkeep.media": "tasks.media:prune_everywhere",
    "upkeep.names": "tasks.names:pin_names",
}
"""Task name → body, a ``(Runtime) -> str``. They are ticked by beat (:mod:`tasks.periodic`)."""

HINT_REQUEST = "tasks.consuming:HintRequest"
"""How workers treat the message of a task; by name, because only they need to import it. Not for tasks of a
queue with acknowledgements: nothing would settle their messages."""


def register(app: Celery, runtime: Callable[[], Runtime], *, quarantine: bool = False) -> None:
    """Add every task to ``app``; ``runtime`` gives the process's parts when a task runs.

    Args:
        quarantine: the process works on quarantined lanes and nothing else.
    """
    for name in LANE_TASKS:
        acknowledged = any(lane.task == name and lane.queue in WORK_QUEUES for lane in CLASSES.values())
        options = {} if acknowledged else {"Request": HINT_REQUEST}
        app.task(name=name, **options)(_lane_task(name, runtime))
    if quarantine:
        return

    from tasks.enrich import register_enrich
    from tasks.media import register_media
    from tasks.titles import register_titles

    for name in UPKEEP_TASKS:
        app.task(name=name)(_upkeep_task(name, runtime))
    register_media(app, runtime)
    register_titles(app, runtime)
    register_enrich(app, runtime)


def import_bodies(queues: Sequence[str]) -> None:
    """Import what the tasks of these queues run, so that the first message does not wait for it."""
    for lane in CLASSES.values():
        if lane.queue in queues and lane.task in LANE_TASKS:
            symbol_by_name(LANE_TASKS[lane.task])
    for body in UPKEEP_TASKS.values() if "upkeep" in queues else ():
        symbol_by_name(body)


def _upkeep_task(name: str, runtime: Callable[[], Runtime]) -> Callable[[], str]:
    def task() -> str:
        body: Callable[[Runtime], str] = symbol_by_name(UPKEEP_TASKS[name])
        return body(runtime())

    task.__name__ = name.replace(".", "_")
    return task


def _lane_task(name: str, runtime: Callable[[], Runtime]) -> Callable[[str], str]:
    def task(lane: str) -> str:
        if not isinstance(lane, str) or CLASSES[lane_class(check_lane(lane))].task != name:
            raise InvalidName(f"lane (for {name})", str(lane))
        body: Callable[[Runtime, str], str] = symbol_by_name(LANE_TASKS[name])
        return body(runtime(), lane)

    task.__name__ = name.replace(".", "_")
    return task
