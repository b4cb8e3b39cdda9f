"""Lane class → Celery task and queue, and the hints that knock at workers.

A Celery message is a wake-up, never the record. Lua sends it by LPUSH of a *template*
that kombu itself once wrote (the tasks package publishes to a scratch key and reads the
bytes back), so nothing here knows kombu's format.

A template is one field of the hash ``hints``::

    <route> → <queue key>\\n<template bytes>

``queue key`` is the full name of the list that kombu BRPOPs (with Celery's key prefix).
In the template ``@@LANE@@`` stands where the task argument goes (a lane name: no quoting
needed in JSON) and ``@@ID@@`` wherever a fresh id goes (task id, delivery tag); every
occurrence is replaced. A body in base64 would hide the placeholder: publish with
``body_encoding`` plain.

A *route* is what decides the queue:

    <class>            the class's ordinary queue, ``session`` → ``turns``
    <class>@<home>     session lanes of an agent that lives on a host, queue ``turns.<home>`` (R25)
    <class>.chores     the quarantine: same task on queue ``chores`` (R13)

Without a template only ``due`` is set, and a later sweep hints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.base.errors import InvalidName
from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = [
    "CLASSES",
    "HINT_ID",
    "HINT_LANE",
    "QUARANTINE_QUEUE",
    "Hints",
    "LaneClass",
    "check_lane",
    "lane_class",
]

QUARANTINE_QUEUE = "chores"

HINT_LANE = "@@LANE@@"
HINT_ID = "@@ID@@"
"""The holes of a template; ``lua/_lanes.lua`` fills them."""


@dataclass(frozen=True, slots=True)
class LaneClass:
    """What serves the lanes of one class. How soon a hint is repeated stands in ``lua/_lanes.lua``."""

    name: str
    task: str
    queue: str


CLASSES: dict[str, LaneClass] = {
    lane.name: lane
    for lane in (
        LaneClass("inbound", "inbound.admit", "inbound"),
        LaneClass("hold", "inbound.admit", "inbound"),
        LaneClass("fast", "inbound.admit", "interactive"),
        LaneClass("interaction", "interaction.ack", "interactive"),
        LaneClass("session", "session.turn", "turns"),
        LaneClass("delivery", "delivery.send", "delivery"),
        LaneClass("reaction", "reaction.work", "delivery"),
        LaneClass("cron", "cron.fire", "upkeep"),
        LaneClass("approval", "approval.run", "chores"),
        LaneClass("voice", "voice.command", "voice"),
    )
}
"""Every class of lanes. ``fast`` carries abort words past their channel (R7); ``interaction`` one click;
``reaction`` what has to be asked or done about the reactions of one message."""


def lane_class(lane: str) -> str:
    """The word before the first colon."""
    return lane.partition(":")[0]


def check_lane(lane: str) -> str:
    """``lane`` if it is a well-formed name of a known class.

    Raises:
        InvalidName: bad characters, length, or an unknown class.
    """
    check_name(lane, "lane")
    cls, _, rest = lane.partition(":")
    if cls not in CLASSES or not rest:
        raise InvalidName("lane (of a known class)", lane)
    return lane


class Hints:
    """The templates of wake-ups."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, route: str, queue_key: str, template: bytes) -> None:
        """Store the template of a route; ``queue_key`` is the full list name kombu reads.

        Raises:
            ValueError: the template lacks a placeholder, or the key is empty or has a newline.
        """
        if HINT_LANE.encode() not in template or HINT_ID.encode() not in template:
            raise ValueError(f"the hint template of {route} lacks {HINT_LANE} or {HINT_ID}")
        if not queue_key or "\n" in queue_key:
            raise ValueError(f"{queue_key!r} is no queue key")
        self._store.redis.hset(self._store.keys.hints(), route, queue_key.encode() + b"\n" + template)

    def get(self, route: str) -> tuple[str, bytes] | None:
        """(queue key, template) of a route."""
        raw: bytes | None = self._store.redis.hget(self._store.keys.hints(), route)
        if raw is None:
            return None
        queue_key, _, template = raw.partition(b"\n")
        return queue_key.decode(), template

    def remove(self, routes: Iterable[str]) -> None:
        """Forget templates; their lanes wait until a template comes back."""
        for route in routes:
            self._store.redis.hdel(self._store.keys.hints(), route)
