"""A turn made of several messages: each gets its outcome, whatever becomes of it (spec/inbound.md 4.8)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from shoal.simulator.models import ModelServer
from shoal.state.ledger import Outcome
from shoal.state.records import Failure
from shoal.state.store import Store
from tasks.deaths import tell_of_the_dead
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import (
    LANE,
    deliver,
    deps,
    drive,
    message_id,
    record,
    request,
    take,
    turn,
)
from workers.agent.joining import MAX_MESSAGES, settleable
from workers.sessions.changes import MessageChange, change_record
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]


def batch(*texts: str, first: int = 0) -> TurnRequest:
    """Several messages of one author as one request, as admission makes it."""
    ids = tuple(message_id(first + number) for number in range(len(texts)))
    return request(
        "\n".join(texts),
        first + len(texts) - 1,
        message_id=ids[-1],
        message_ids=ids,
        part_chars=tuple(len(text) for text in texts),
    )


def told(store: Store, name: str) -> tuple[str, str]:
    story = store.ledger.explain("default", name)
    assert story is not None
    return str(story.outcome), story.reason


def test_the_last_is_answered_the_others_are_merged(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "all three"}])
    wanted = batch("one", "two", "three")
    store.lanes.push(LANE, record(wanted))
    turn(store, deps(store, server))
    deliver(store)
    assert bodies(server)[0]["messages"][-1]["content"].endswith("Ann: one\ntwo\nthree")
    *earlier, last = wanted.message_ids
    assert [told(store, name) for name in earlier] == [("merged", f"into.{last}")] * 2


def test_what_was_deleted_is_neither_said_nor_merged(store: Store, chat_server: Start) -> None:
    """decision 52, for each message of a batch; the answer goes to the newest that is left."""
    server = chat_server([{"text": "one left"}])
    wanted = batch("one", "two", "three")
    store.lanes.push(LANE, record(wanted))
    gone = wanted.message_ids[1:]
    store.lanes.push(LANE, change_record(MessageChange("default", gone), "1"))
    store.lanes.push(LANE, change_record(MessageChange("default", wanted.message_ids[:1], "eins"), "2"))
    turn(store, deps(store, server))
    [send] = deliver(store)
    assert bodies(server)[0]["messages"][-1]["content"].endswith("Ann: eins")
    assert [told(store, name) for name in gone] == [("dropped", "deleted-before-turn")] * 2
    assert [settled.message_id for settled in send.outcomes] == [wanted.message_ids[0]]


def test_a_stop_covers_all_of_it(store: Store, chat_server: Start) -> None:
    wanted = batch("one", "two")
    store.lanes.push(LANE, record(wanted))
    store.lanes.stop(LANE, int(time.time() * 1000) + 60_000, str(2**62))
    turn(store, deps(store, chat_server([])))
    assert {told(store, name)[0] for name in wanted.message_ids} == {"stopped"}


def test_a_batch_that_is_steered_settles_every_message(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "both"}])
    head, follows = request("first"), batch("second", "third", first=1)
    store.lanes.push(LANE, record(head))
    store.lanes.push(LANE, record(follows))
    drive(store, deps(store, server))
    assert [told(store, name)[1] for name in follows.message_ids] == [f"into.{head.message_id}"] * 2


def test_a_turn_takes_in_only_what_one_commit_can_settle() -> None:
    many = [record(batch(*["x"] * 10, first=10 * number)) for number in range(6)]
    taken = settleable(many, (), request(number=999), None)
    assert taken == many[: MAX_MESSAGES // 10]


def test_what_a_stop_covers_and_copies_of_the_turn_are_not_taken_in() -> None:
    own = request("the original")
    copy = replace(record(request("the copy", 1, original_id=own.message_id)), born=5)
    old, new = replace(record(request("old", 2)), born=5), replace(record(request("new", 3)), born=15)
    assert settleable([copy, old, new], (), own, (10, "")) == [new]
    assert settleable([copy, old, new], (), own, None) == [old, new]


def test_a_dead_batch_leaves_no_message_without_an_outcome(store: Store) -> None:
    wanted = batch("one", "two", "three")
    store.lanes.push(LANE, record(wanted))
    for _ in range(3):
        grant = take(store)
        store.lanes.fail(grant, Failure.HANDLED, code="broken", reason="x", delay_ms=0)
    tell_of_the_dead(store)
    assert [told(store, name) for name in wanted.message_ids] == [("dead", "broken")] * 3


@pytest.mark.parametrize(
    ("original", "answered"),
    [(Outcome.ANSWERED, False), (Outcome.STEERED, False), (Outcome.DROPPED, True), (Outcome.STOPPED, True)],
)
def test_a_copy_is_answered_unless_its_original_was(
    store: Store, chat_server: Start, original: Outcome, answered: bool
) -> None:
    """decision 12, where the original's turn had begun before the copy came."""
    server = chat_server([{"text": "hi"}])
    wanted = request("hello", original_id=message_id(-5))
    store.ledger.close("default", wanted.original_id, original)
    store.lanes.push(LANE, record(wanted))
    result = turn(store, deps(store, server))
    assert len(bodies(server)) == answered
    if not answered:
        assert result.summary == "dropped · pluralkit-duplicate"
        assert told(store, wanted.message_id) == ("dropped", "pluralkit-duplicate")
