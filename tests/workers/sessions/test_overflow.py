"""How many messages may wait in a conversation (``messages.queue``; ``spec/inbound.md`` 5.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shoal.state.store import Store
from tests.workers.sessions.helpers import ANN, BOB, CHANNEL, NOW, in_guild, message
from tests.workers.sessions.stored import Admitting

LANE = f"session:agent:main:discord:channel:{CHANNEL}"


def queue(drop: str, mode: str = "followup", cap: int = 3) -> dict[str, Any]:
    return {"messages": {"queue": {"mode": mode, "cap": cap, "drop": drop}}}


def fill(admitting: Admitting, count: int) -> list[int]:
    ids = [NOW + number for number in range(count)]
    for number, message_id in enumerate(ids):
        admitting.event(in_guild(f"number {number}", id=str(message_id)))
    return ids


@pytest.mark.parametrize(
    ("drop", "gone", "reason", "told"),
    [
        ("new", [4, 5], "queue-full", 0),
        ("old", [1, 2], "queue-overflow", 0),
        ("summarize", [1, 2], "queue-overflow", 2),
    ],
)
@pytest.mark.parametrize("mode", ["followup", "steer", "collect"])
def test_the_seventh_of_three(
    store: Store, tmp_path: Path, drop: str, gone: list[int], reason: str, told: int, mode: str
) -> None:
    admitting = Admitting(store, tmp_path, queue(drop, mode))
    ids = fill(admitting, 6)  # the head, and five for three places
    assert store.lanes.depth(LANE) == 4
    assert [admitting.outcome(ids[number]) for number in gone] == [("dropped", reason)] * 2
    lines = store.lanes.given_way(LANE, CHANNEL)
    assert len(lines) == told
    if told:
        assert lines[0].decode() == f"user{ANN}: @shoal number 1"
    waiting = [record.message_id for record in store.lanes.waiting(LANE)]
    assert waiting == [str(ids[number]) for number in range(1, 6) if number not in gone]


def test_one_persons_flood_pushes_nobody_else_out(store: Store, tmp_path: Path) -> None:
    """Decision 38: in the session that DMs share, each place has its own count."""
    both = {"channels": {"discord": {"allowFrom": [ANN, BOB]}}}
    admitting = Admitting(store, tmp_path, {**queue("old"), **both})
    for number in range(3):
        admitting.event(message("of bob", BOB, id=str(NOW + number), channel_id="701"))
    for number in range(6):
        admitting.event(message("of ann", ANN, id=str(NOW + 10 + number)))
    waiting = [record.scope.split("|")[1] for record in store.lanes.waiting("session:agent:main:main")]
    assert (waiting.count("701"), waiting.count("700")) == (2, 3)


def test_the_cap_of_a_conversation_is_its_own(store: Store, tmp_path: Path) -> None:
    admitting = Admitting(store, tmp_path, queue("old"))
    admitting.event(in_guild("/queue cap:1 drop:new", id=str(NOW - 9)))
    store.lanes.commit(admitting.head(f"delivery:default:{CHANNEL}"))
    ids = fill(admitting, 3)
    assert store.lanes.depth(LANE) == 2
    assert admitting.outcome(ids[2]) == ("dropped", "queue-full")


def test_interrupt_stops_everything_older_and_nothing_later(store: Store, tmp_path: Path) -> None:
    admitting = Admitting(store, tmp_path, queue("old", "interrupt"))
    ids = [NOW, NOW + (1 << 22), NOW + (2 << 22)]
    for number, message_id in enumerate(ids):
        admitting.event(in_guild(f"number {number}", id=str(message_id)))
    grant = admitting.head(LANE)
    stopped = []
    while grant is not None:
        stopped.append(grant.stopped)
        grant = store.lanes.commit(grant)  # type: ignore[assignment]
    assert stopped == [True, True, False]
