"""Every task of the fleet and its name. Thin on purpose: the work is in ``workers``.

Tasks take one lane name and nothing else, and only of a lane that is theirs: a forged message can
only knock. (A delivery task let into a session lane would find its records unreadable, and kill them.)
"""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery

from shoal.base.errors import InvalidName
from shoal.state.queues import CLASSES, check_lane, lane_class
from tasks.app import WORK_QUEUES
from tasks.delivery import send_lane
from tasks.enrich import register_enrich
from tasks.inbound import admit_lane
from tasks.interaction import ack_lane
from tasks.media import prune_everywhere, register_media
from tasks.names import pin_names
from tasks.reaction import react_lane
from tasks.runtime import Runtime
from tasks.session import turn_lane
from tasks.titles import register_titles
from tasks.upkeep import archive, mind_memory, reconcile

__all__ = ["LANE_TASKS", "UPKEEP_TASKS", "register"]

LANE_TASKS: dict[str, Callable[[Runtime, str], str]] = {
    "inbound.admit": admit_lane,
    "interaction.ack": ack_lane,
    "session.turn": turn_lane,
    "delivery.send": send_lane,
    "reaction.work": react_lane,
}
"""Task name → body. The body returns one line without content, which Flower shows."""

UPKEEP_TASKS: dict[str, Callable[[Runtime], str]] = {
    "upkeep.reconcile": reconcile,
    "upkeep.archive": archive,
    "upkeep.memory": mind_memory,
    "upkeep.media": prune_everywhere,
    "upkeep.names": pin_names,
}
"""Task name → body. They take no argument and are ticked by beat (:mod:`tasks.periodic`)."""

HINT_REQUEST = "tasks.consuming:HintRequest"
"""How workers treat the message of a task; by name, because only they need to import it. Not for tasks of a
queue with acknowledgements: nothing would settle their messages."""


def register(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add every task to ``app``; ``runtime`` gives the process's parts when a task runs."""
    for name, body in LANE_TASKS.items():
        acknowledged = any(lane.task == name and lane.queue in WORK_QUEUES for lane in CLASSES.values())
        options = {} if acknowledged else {"Request": HINT_REQUEST}
        app.task(name=name, **options)(_lane_task(name, body, runtime))

    for name, upkeep in UPKEEP_TASKS.items():
        app.task(name=name)(_upkeep_task(name, upkeep, runtime))
    register_media(app, runtime)
    register_titles(app, runtime)

    register_enrich(app, runtime)


def _upkeep_task(
    name: str, body: Callable[[Runtime], str], runtime: Callable[[], Runtime]
) -> Callable[[], str]:
    def task() -> str:
        return body(runtime())

    task.__name__ = name.replace(".", "_")
    return task


def _lane_task(
    name: str, body: Callable[[Runtime, str], str], runtime: Callable[[], Runtime]
) -> Callable[[str], str]:
    def task(lane: str) -> str:
        if not isinstance(lane, str) or CLASSES[lane_class(check_lane(lane))].task != name:
            raise InvalidName(f"lane (for {name})", str(lane))
        return body(runtime(), lane)

    task.__name__ = name.replace(".", "_")
    return task
