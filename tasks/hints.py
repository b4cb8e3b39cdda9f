"""The wake-up messages that scripts inside Redis put on Celery's queues.

Our code knows nothing of kombu's wire format: at start it lets kombu publish one message
per task to a scratch queue, reads the bytes back, and stores them as a template. A script
fills the two holes (lane name, fresh id) by plain text replacement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from celery import Celery
from kombu.entity import Exchange, Queue

from shoal.base.errors import ProcessError
from shoal.base.ids import new_token
from shoal.state.queues import CLASSES, HINT_ID, HINT_LANE, QUARANTINE_QUEUE
from shoal.state.store import Store
from tasks.app import QUEUE_PREFIX

__all__ = ["install_hints", "make_template"]


def install_hints(app: Celery, store: Store, homes: Iterable[str] = ()) -> None:
    """Store a fresh template for every route whose task this fleet has.

    Args:
        app: where the tasks are registered.
        store: where the templates go; every process may do this, the last one wins.
        homes: hosts with a queue ``turns.<home>`` of their own (rule R25).
    """
    for lane in CLASSES.values():
        if lane.task not in app.tasks:
            continue
        routes = {lane.name: lane.queue, f"{lane.name}.chores": QUARANTINE_QUEUE}
        if lane.name == "session":
            routes |= {f"session@{home}": f"turns.{home}" for home in homes}
        for route, queue in routes.items():
            store.hints.put(route, QUEUE_PREFIX + queue, make_template(app, store, lane.task, queue))


def make_template(app: Celery, store: Store, task: str, queue: str) -> bytes:
    """The bytes kombu would put on ``queue`` for ``task(lane)``, with placeholders.

    Raises:
        ProcessError: kombu's message does not carry the placeholders as plain text.
    """
    prefix = f"{QUEUE_PREFIX}scratch:{new_token()[:12]}:"
    options = {**app.conf.broker_transport_options, "global_keyprefix": prefix}
    with app.connection_for_write(transport_options=options) as connection:
        app.send_task(
            task,
            args=(HINT_LANE,),
            task_id=HINT_ID,
            queue=Queue(queue, Exchange(""), routing_key=queue),
            connection=connection,
            argsrepr=f"({HINT_LANE})",
            kwargsrepr="{}",
            retry=False,
        )
    raw = store.redis.rpop(prefix + queue)
    if not isinstance(raw, bytes) or HINT_LANE.encode() not in raw or HINT_ID.encode() not in raw:
        raise ProcessError(
            "The task queue library writes messages in a form that cannot serve as a template.",
            fix="Install the locked versions of celery and kombu.",
        )
    # kombu makes one delivery tag per message; each hint needs its own
    tag = json.loads(raw)["properties"]["delivery_tag"]
    return raw.replace(tag.encode(), HINT_ID.encode())
