"""Holds on a real store (rule R18, spec/inbound.md 4.8): who waits, who passes, and that nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal.base.ids import new_token
from shoal.state.records import Grant
from shoal.state.store import Store
from tasks.inbound import admit_lane
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, BOB, BOT, CHANNEL, INBOUND, SESSION, Front, hold_of
from workers.sessions import history
from workers.sessions.admission.holding import BATCH_MAX
from workers.sessions.changes import apply_changes
from workers.sessions.records import decode_turn

MakeFront = Callable[..., Front]
LONG = {"inbound": {"byChannel": {"discord": 600_000}}}
"""A window that does not end while a test runs."""
SHORT = {"inbound": {"debounceMs": 300}}


@pytest.fixture
def make_front(store: Store, redis_server: RedisServer, tmp_path: Path) -> MakeFront:
    """Front workers on one store."""

    def make(**options: Any) -> Front:
        return Front(store, redis_server.url, tmp_path, **options)

    return make


def texts(front: Front) -> list[str]:
    return [turn.text for turn in front.turns()]


# -- debounce ----------------------------------------------------------------------------------------


def test_what_one_author_writes_in_a_row_is_one_turn(make_front: MakeFront) -> None:
    front = make_front(messages=SHORT)
    ids = [front.say("hi", mention=True), front.say("please"), front.say("hurry")]
    front.work_until_quiet()
    [turn] = front.turns()
    assert turn.text == "@shoal hi\nplease\nhurry"
    assert turn.message_ids == tuple(ids)
    assert turn.message_id == ids[-1]
    assert turn.mentioned_by == "explicit"
    for message_id in ids:
        notes = dict(front.story(message_id).notes)
        assert notes["session"] == SESSION.removeprefix("session:")
        assert notes["hold"].startswith(hold_of(ANN))


def test_what_came_in_time_belongs_to_it_although_front_was_away(make_front: MakeFront) -> None:
    """``front`` dies with a window open; the hold is looked at before the channel's backlog (decision 52)."""
    front = make_front(messages=SHORT)
    gone = front.say("not this", mention=True)
    front.work()
    more, last = front.say("but this", mention=True), front.say("and that")
    front.delete(gone)
    time.sleep(0.4)
    front.store.lanes.sweep("hold")
    assert "not admitted yet" in admit_lane(front.runtime, hold_of(ANN))
    assert front.turns() == []
    front.work_until_quiet()
    assert front.outcome(gone) == ("dropped", "deleted-before-turn")
    assert [turn.message_ids for turn in front.turns()] == [(more, last)]


def test_an_inbound_lane_that_stands_still_does_not_hold_for_ever(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.inbound.ADMIT_MS", 200)
    front = make_front(messages=SHORT)
    mine = front.say("do it", mention=True)
    front.work()
    front.say("later", BOB, mention=True)
    time.sleep(0.6)
    front.store.lanes.sweep("hold")
    admit_lane(front.runtime, hold_of(ANN))
    assert [turn.message_id for turn in front.turns()] == [mine]


def test_without_a_window_nobody_waits(make_front: MakeFront) -> None:
    front = make_front()
    front.say("one", mention=True)
    front.say("two", mention=True)
    front.work()
    assert texts(front) == ["@shoal one", "@shoal two"]
    assert not front.store.lanes.any("hold")


def test_others_pass_and_stop_is_not_delayed(make_front: MakeFront) -> None:
    """One author's window holds up nobody else, and no stop (R18)."""
    front = make_front(messages=LONG)
    held = front.say("wait for it", mention=True)
    front.work()
    assert texts(front) == []
    quick = front.say(
        "a picture", BOB, mention=True, attachments=[{"id": "1", "filename": "a.png", "url": "u"}]
    )
    front.files_come(quick)
    stop = front.say("/stop", BOB)
    front.work()
    assert [turn.message_id for turn in front.turns()] == [quick]
    assert front.outcome(stop) == ("control", "stop")
    assert front.store.lanes.depth(hold_of(ANN)) == 1
    assert front.take().stopped  # the picture came before the stop
    del held


def test_a_stop_covers_what_is_held(make_front: MakeFront) -> None:
    """Born earlier: held records end as stopped; born later: nothing of it (R7)."""
    front = make_front(messages=SHORT)
    mine, others = front.say("do it", mention=True), front.say("do that", BOB, mention=True)
    front.work()
    front.say("stop", mention=True)
    front.work()
    assert front.outcome(mine) == ("stopped", "held"), "the author's own hold is flushed at once"
    later = front.say("but this", BOB, mention=True)
    front.work_until_quiet()
    assert front.outcome(others) == ("stopped", "held")
    assert [turn.all_message_ids for turn in front.turns()] == [(later,)]


def test_an_abort_word_stops_what_only_waits_to_begin(make_front: MakeFront) -> None:
    front = make_front(messages=LONG)
    held = front.say("do it", mention=True)
    front.work()
    stop = front.say("wait")
    front.work()
    assert front.outcome(stop) == ("control", "stop")
    assert front.outcome(held) == ("stopped", "held")


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("look", {"attachments": [{"id": "1", "filename": "a.png", "url": "u"}]}),
        ("look", {"sticker_items": [{"id": "1", "name": "s", "format_type": 1}]}),
        ("", {"message_snapshots": [{"message": {"content": "said elsewhere"}}]}),
        ("/status", {}),
        ("/unknown", {}),
    ],
)
def test_files_and_commands_flush_in_order(make_front: MakeFront, text: str, fields: dict[str, Any]) -> None:
    """spec/inbound.md 4.8: what stands before is decided first, then they are, each for itself."""
    front = make_front(messages=LONG)
    front.say("first", mention=True)
    front.say("second")
    front.work()
    assert front.turns() == []
    flusher = front.say(text, mention=True, **fields)
    front.files_come(flusher)
    front.work()
    batch, *rest = front.turns()
    assert batch.text == "@shoal first\nsecond"
    if text == "/status":
        assert front.outcome(flusher)[0] == "command"
    else:
        [alone] = rest
        assert alone.all_message_ids == (flusher,)
    front.say("third", mention=True)
    front.work()
    assert len(front.turns()) == 1 + len(rest), "the next one waits again"


def test_the_mention_may_come_last(make_front: MakeFront) -> None:
    """Mentions are united over the batch: neither the first nor the last alone decides."""
    front = make_front(messages=SHORT)
    first = front.say("what about this?")
    last = front.say("hm", mention=True)
    front.work_until_quiet()
    [turn] = front.turns()
    assert turn.message_ids == (first, last)
    assert turn.text == "what about this?\n@shoal hm"


def test_without_any_mention_all_of_it_is_noted(make_front: MakeFront) -> None:
    front = make_front(messages=SHORT)
    ids = [front.say("we"), front.say("chat")]
    front.work_until_quiet()
    assert front.turns() == []
    assert [front.outcome(name) for name in ids] == [("history", "mention-required")] * 2
    front.say("so?", BOB, mention=True)
    front.work_until_quiet()
    entries = history.pending(front.store.sessions, front.turns()[0], 20).entries
    assert [entry.body for entry in entries] == ["we", "chat"]


def test_a_long_batch_is_cut_where_its_outcomes_fit(make_front: MakeFront) -> None:
    front = make_front(messages=LONG)
    ids = [front.say(f"line {number}", mention=number == 0) for number in range(BATCH_MAX)]
    front.work()
    [turn] = front.turns()
    assert turn.message_ids == tuple(ids)


def test_a_reply_anywhere_in_the_batch_is_the_reply(make_front: MakeFront) -> None:
    front = make_front(messages=SHORT)
    asked = {"id": "1", "channel_id": CHANNEL, "author": {"id": BOT, "username": "shoal"}, "content": "Sure?"}
    front.say("yes", type=19, message_reference={"type": 0, "message_id": "1"}, referenced_message=asked)
    front.say("do it")
    front.work_until_quiet()
    [turn] = front.turns()
    assert turn.mentioned_by == "reply"
    assert turn.quoted is not None
    assert turn.quoted.text == "Sure?"


# -- edits and deletions -----------------------------------------------------------------------------


def test_a_held_message_can_still_be_edited_and_deleted(make_front: MakeFront) -> None:
    """decision 52: held messages change, or start nothing."""
    front = make_front(messages=SHORT)
    one, two, three = front.say("one", mention=True), front.say("two"), front.say("three")
    front.work()
    front.edit(two, "zwei")
    front.delete(three)
    front.work_until_quiet()
    [turn] = front.turns()
    assert turn.text == "@shoal one\nzwei"
    assert turn.message_ids == (one, two)
    assert front.outcome(three) == ("dropped", "deleted-before-turn")
    assert one != two


def test_an_edit_may_bring_the_mention(make_front: MakeFront) -> None:
    front = make_front(messages=SHORT)
    said = front.say("hello")
    front.work()
    front.edit(said, f"<@{BOT}> hello", mentions=[{"id": BOT, "username": "shoal", "bot": True}])
    front.work_until_quiet()
    assert texts(front) == ["@shoal hello"]


def test_a_batch_deleted_in_bulk_starts_nothing(make_front: MakeFront) -> None:
    front = make_front(messages=LONG)
    ids = [front.say("one", mention=True), front.say("two")]
    front.work()
    front.delete(*ids)
    front.work()
    assert front.turns() == []
    assert [front.outcome(name) for name in ids] == [("dropped", "deleted-before-turn")] * 2
    assert not front.store.lanes.any("hold")


def test_changes_follow_a_batch_into_its_session(make_front: MakeFront) -> None:
    """Each message of a queued batch has its own text: an edit changes it, a deletion takes it out."""
    front = make_front(messages=SHORT)
    one, two, three = front.say("one", mention=True), front.say("two"), front.say("three")
    front.work_until_quiet()
    front.edit(one, "eins")
    front.delete(three)
    front.work()
    grant = front.take()
    changed = apply_changes(decode_turn(grant.head.body), front.store.lanes.behind(grant))
    assert changed is not None
    assert (changed.text, changed.message_ids, changed.message_id) == ("eins\ntwo", (one, two), two)
    front.delete(one, two)
    front.work()
    assert apply_changes(decode_turn(grant.head.body), front.store.lanes.behind(grant)) is None


def test_a_change_that_comes_too_late_for_the_hold_goes_on(make_front: MakeFront) -> None:
    """The deletion was pushed behind a message that left the hold before it was read."""
    front = make_front(messages=LONG)
    said = front.say("one", mention=True)
    front.work()
    front.delete(said)
    admit_lane(front.runtime, INBOUND)  # the deletion is in the hold lane now, unread
    front.work()
    assert front.outcome(said) == ("dropped", "deleted-before-turn")


def test_what_is_deleted_is_not_quoted_and_what_is_edited_is_quoted_as_it_is(make_front: MakeFront) -> None:
    front = make_front()
    gone, kept, changed = front.say("gone"), front.say("kept"), front.say("typo")
    front.work()
    front.delete(gone)
    front.edit(changed, "fixed")
    front.say("well?", mention=True)
    front.work()
    entries = history.pending(front.store.sessions, front.turns()[0], 20).entries
    assert [(entry.message_id, entry.body) for entry in entries] == [(kept, "kept"), (changed, "fixed")]


# -- crashes -----------------------------------------------------------------------------------------


def test_a_duplicate_delivery_is_once(make_front: MakeFront) -> None:
    """The same dispatch twice, while held and after: one turn, one outcome."""
    front = make_front(messages=SHORT)
    said = front.say("hi", mention=True)
    front.say("hi", mention=True, id=said)
    front.work()
    front.say("hi", mention=True, id=said)
    front.work_until_quiet()
    front.say("hi", mention=True, id=said)
    front.work_until_quiet()
    assert [turn.all_message_ids for turn in front.turns()] == [(said,)]


def test_a_worker_that_dies_over_a_batch_loses_and_doubles_nothing(make_front: MakeFront) -> None:
    """Absorbed, then dead before the commit: the next look decides over the same messages."""
    front = make_front(messages=SHORT)
    ids = [front.say("one", mention=True), front.say("two"), front.say("three")]
    front.work()
    time.sleep(0.35)
    lanes = front.store.lanes
    lanes.sweep("hold")
    grant = lanes.acquire(hold_of(ANN), new_token(), ttl_ms=100)
    assert isinstance(grant, Grant)
    lanes.absorb(grant, [record.identity for record in lanes.behind(grant)][:1])
    front.work_until_quiet()
    assert [turn.message_ids for turn in front.turns()] == [tuple(ids)]


def test_the_deadline_outlives_the_worker(make_front: MakeFront) -> None:
    """A hold that was begun by a worker that died is decided by another one, in time."""
    front = make_front(messages=SHORT)
    said = front.say("hi", mention=True)
    admit_lane(front.runtime, INBOUND)  # held, and nobody looked
    front.work_until_quiet()
    assert [turn.message_id for turn in front.turns()] == [said]
    born = front.story(said)
    assert born.outcome is None


def test_authors_keep_their_order_across_their_own_windows(make_front: MakeFront) -> None:
    front = make_front(messages=SHORT)
    for number in range(4):
        front.say(f"ann {number}", ANN, mention=True)
        front.say(f"bob {number}", BOB, mention=True)
        if number == 1:
            front.work_until_quiet()
    front.work_until_quiet()
    for name in ("ann", "bob"):
        said = "\n".join(turn.text for turn in front.turns() if name in turn.text).replace("@shoal ", "")
        assert said.split("\n") == [f"{name} {number}" for number in range(4)]
