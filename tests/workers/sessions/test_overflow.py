"""How many messages may wait in a conversation (``messages.queue``; ``spec/inbound.md`` 5.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shoal.base.ids import snowflake_ms
from shoal.state.store import Store
from tests.workers.sessions.helpers import ANN, BOB, CHANNEL, GUILD, NOW, in_guild, message
from tests.workers.sessions.stored import Admitting
from workers.sessions.records import decode_turn

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


@pytest.mark.parametrize(
    ("drop", "left"),
    [
        # cap 3: the third guest is the fourth to wait, then the owner and a trusted one come, then a guest
        ("old", ["guest 3", "owner", "trusted"]),
        ("summarize", ["guest 3", "owner", "trusted"]),
        ("new", ["guest 1", "owner", "trusted"]),
    ],
)
def test_nobody_gives_way_to_less_authority(store: Store, tmp_path: Path, drop: str, left: list[str]) -> None:
    """A stranger's flood pushes out no message of an owner, and keeps none out."""
    admitting = Admitting(store, tmp_path, {**queue(drop), **TRUSTING})
    said = [("head", GUEST), *((f"guest {number}", GUEST) for number in (1, 2, 3))]
    said += [("owner", OWNER), ("trusted", TRUSTED)]
    for number, (text, author) in enumerate(said):
        admitting.event(in_guild(text, author, id=str(NOW + number)))
    waiting = [decode_turn(record.body).text for record in store.lanes.waiting(LANE)]
    assert [text.removeprefix("@shoal ") for text in waiting] == left
    gone = {number: admitting.outcome(NOW + number) for number in (2, 3 if drop == "new" else 1)}
    reason = "queue-full" if drop == "new" else "queue-overflow"
    assert set(gone.values()) == {("dropped", reason)}
    for number in range(3):  # the flood goes on
        admitting.event(in_guild("owner again", OWNER, id=str(NOW + 20 + number)))
    admitting.event(in_guild("guest", GUEST, id=str(NOW + 30)))
    assert admitting.outcome(NOW + 30) == ("dropped", "queue-full")
    ranks = [decode_turn(record.body).authority for record in store.lanes.waiting(LANE)]
    assert ranks == (["owner", "owner", "owner"])


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


OWNER, TRUSTED, GUEST = ANN, BOB, "103"
TRUSTING = {"commands": {"allowFrom": {"discord": [ANN, BOB, "104"]}}}


@pytest.mark.parametrize(
    ("running", "next_", "ends"),
    [
        (GUEST, GUEST, True),
        (GUEST, "105", False),
        (TRUSTED, GUEST, False),
        (OWNER, GUEST, False),
        (OWNER, TRUSTED, False),
        (TRUSTED, "104", True),
        (TRUSTED, OWNER, True),
        (GUEST, OWNER, True),
        (GUEST, TRUSTED, True),
    ],
)
def test_whose_turn_an_interrupt_ends_in_one_place(
    store: Store, tmp_path: Path, running: str, next_: str, ends: bool
) -> None:
    """R7: its author's own, or one over which the author has authority."""
    admitting = Admitting(store, tmp_path, {**queue("old", "interrupt"), **TRUSTING})
    admitting.event(in_guild("first", running, id=str(NOW)))
    admission = admitting.event(in_guild("second", next_, id=str(NOW + (1 << 22))))
    assert (admission.stop is not None) is ends
    assert store.lanes.depth(LANE) == 2
    assert admitting.head(LANE).stopped is ends


@pytest.mark.parametrize(
    ("running", "next_", "ends"), [(BOB, "104", False), (OWNER, BOB, False), (BOB, OWNER, True)]
)
def test_where_dms_share_a_session_nobody_ends_a_turn_of_his_equal(
    store: Store, tmp_path: Path, running: str, next_: str, ends: bool
) -> None:
    """Decision 38: a session that is shared is not a conversation that is shared."""
    all_ = {"channels": {"discord": {"allowFrom": [ANN, BOB, "104"]}}}
    admitting = Admitting(store, tmp_path, {**queue("old", "interrupt"), **all_})
    admitting.event(message("first", running, id=str(NOW), channel_id=f"70{running}"))
    admitting.event(message("second", next_, id=str(NOW + (1 << 22)), channel_id=f"70{next_}"))
    assert admitting.head("session:agent:main:main").stopped is ends


def test_an_interrupt_looks_at_all_that_waits_and_is_counted_where_it_has_to_wait(
    store: Store, tmp_path: Path
) -> None:
    """A message behind the running turn is somebody's, too."""
    admitting = Admitting(store, tmp_path, {**queue("new", "interrupt", cap=2), **TRUSTING})
    for number, author in enumerate([GUEST, OWNER, GUEST, GUEST]):
        admitting.event(in_guild(f"number {number}", author, id=str(NOW + (number << 22))))
    # the owner ended the first; what the guest says next ends nothing of the owner's
    assert store.lanes.stop_bound(LANE, "") == (snowflake_ms(NOW + (1 << 22)), str(NOW + (1 << 22)))
    assert store.lanes.depth(LANE) == 3
    assert admitting.outcome(NOW + (3 << 22)) == ("dropped", "queue-full")


@pytest.mark.parametrize(("next_", "ends"), [("104", True), (GUEST, False)])
def test_a_thread_made_for_a_message_is_the_place_of_both(
    store: Store, tmp_path: Path, next_: str, ends: bool
) -> None:
    """The message that opened it is in the channel above; its turn is in the thread all the same."""
    threads = {"channels": {"discord": {"guilds": {GUILD: {"channels": {CHANNEL: {"autoThread": True}}}}}}}
    admitting = Admitting(store, tmp_path, {**queue("old", "interrupt"), **TRUSTING, **threads})
    admitting.event(in_guild("first", TRUSTED, id=str(NOW)))
    thread = {"id": str(NOW), "name": "first", "type": 11, "parent_id": CHANNEL}
    admitting.guild({"id": CHANNEL, "name": "talk", "type": 0}, thread)
    later = in_guild("second", next_, id=str(NOW + (1 << 22)), channel_id=str(NOW), channel_type=11)
    admitting.event(later)
    lane = f"session:agent:main:discord:channel:{NOW}"
    assert store.lanes.depth(lane) == 2
    assert admitting.head(lane).stopped is ends
