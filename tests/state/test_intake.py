"""Intake is a chain (R3): what is stored is always a prefix of what was sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from shoal.base.errors import InvalidName, StateConflict, StoreUnavailable
from shoal.base.ids import DISCORD_EPOCH_MS, snowflake_at
from shoal.state.intake import Cursor, IntakeEvent
from shoal.state.ledger import Outcome
from shoal.state.records import InboundEvent, Record, decode_event, encode_event
from shoal.state.store import Store
from tests.state.support import hinted, put_hints, token

ME = token(9)


def message_id(number: int) -> str:
    """A snowflake of the present."""
    return str(((1_790_000_000_000 - DISCORD_EPOCH_MS) << 22) + number)


def event(seq: int, number: int | None = None, **fields: Any) -> IntakeEvent:
    name = message_id(number if number is not None else seq)
    made = IntakeEvent(
        "default", 0, "s1", seq - 1, seq, dedup=f"m:{name}", lane="inbound:default:7",
        record=Record(f"m.{name}", "MESSAGE_CREATE", b"{}", account="default", message_id=name),
    )  # fmt: skip
    return dataclasses.replace(made, **fields)


@pytest.fixture
def begun(store: Store) -> Store:
    put_hints(store)
    assert store.intake.holder_acquire("default", ME, 60_000)
    store.intake.begin_session("default", 0, "s1", "wss://resume", 1, token=ME)
    return store


def test_a_batch_moves_the_cursor_and_fills_the_lane_in_order(begun: Store) -> None:
    result = begun.intake.apply([event(seq) for seq in range(2, 52)], token=ME)
    assert (result.applied, result.refused) == (50, None)
    cursor = begun.intake.cursor("default", 0)
    assert cursor == Cursor("s1", "wss://resume", 51, begun.epoch())
    assert begun.lanes.depth("inbound:default:7") == 50
    assert hinted(begun, "inbound") == ["inbound:default:7"]


def test_a_batch_sent_again_changes_nothing(begun: Store) -> None:
    batch = [event(seq) for seq in range(2, 12)]
    begun.intake.apply(batch[:4], token=ME)
    assert begun.intake.apply(batch, token=ME).applied == 10
    assert begun.intake.apply(batch, token=ME).applied == 10
    assert begun.lanes.depth("inbound:default:7") == 10
    stored = begun.intake.cursor("default", 0)
    assert stored is not None
    assert stored.seq == 11


def test_an_event_that_fails_stops_all_behind_it(begun: Store) -> None:
    begun.redis.set(begun.keys.lane("inbound:default:666"), "wrong type")
    batch = [event(2), event(3), event(4, lane="inbound:default:666"), event(5), event(6)]
    result = begun.intake.apply(batch, token=ME)
    assert result.applied == 2
    assert result.refused is not None
    assert result.refused.startswith("error")
    assert begun.lanes.depth("inbound:default:7") == 2
    begun.intake.skip(batch[2], "its lane is broken", token=ME)
    begun.intake.skip(batch[2], "its lane is broken", token=ME)
    assert begun.intake.apply(batch[3:], token=ME).applied == 2
    (dead,) = begun.lanes.dead_list()
    assert (dead.source, dead.code, dead.lane, dead.record.body) == (
        "intake",
        "intake",
        "inbound:default:666",
        b"{}",
    )
    explained = begun.ledger.explain("default", message_id(4))
    assert explained is not None
    assert explained.outcome is Outcome.DEAD


def test_a_gap_is_refused_with_the_stored_sequence(begun: Store) -> None:
    result = begun.intake.apply([event(5)], token=ME)
    assert (result.applied, result.refused, result.cursor) == (0, "chain", 1)
    with pytest.raises(StateConflict):
        begun.intake.skip(event(5), "no", token=ME)


def test_a_gap_remembers_the_channels_of_a_week_and_the_silent_ones_are_forgotten(begun: Store) -> None:
    heard, week = begun.keys.last("default"), 7 * 86_400_000
    old, new = (str(snowflake_at(begun.now_ms() - week + step)) for step in (-60_000, 60_000))
    begun.redis.hset(heard, mapping={"5": old, "6": new})
    begun.redis.hset(heard, mapping={str(100 + number): old for number in range(5_000)})
    begun.intake.apply([event(2)], token=ME)
    assert begun.gaps.open("default", 0, token=ME) == 2, "a channel and the time of the last event"
    gap = begun.gaps.read("default", 0)
    assert gap is not None
    assert gap.after == {"6": new}
    assert begun.intake.newest("default") == {"6": new}
    begun.redis.hset(heard, "8", old)
    assert begun.gaps.open("default", 0, token=ME) == 2, "twice is once"
    assert begun.intake.newest("default") == {"6": new}
    assert begun.redis.pttl(begun.keys.gap("default", 0)) > 0


def test_only_the_holder_and_only_its_session_may_write(begun: Store) -> None:
    assert begun.intake.apply([event(2, session_id="old")], token=ME).refused == "session"
    other = token(10)
    assert not begun.intake.holder_acquire("default", other, 60_000)
    assert begun.intake.holder_acquire("default", other, 60_000, force=True)
    assert begun.intake.apply([event(2)], token=ME).refused == "holder"
    assert not begun.intake.holder_acquire("default", ME, 60_000)
    assert not begun.intake.holder_release("default", ME)
    with pytest.raises(StateConflict):
        begun.intake.begin_session("default", 0, "s2", "", 1, token=ME)
    assert begun.intake.apply([event(2)], token=other).applied == 1
    assert begun.intake.holder("default") == other
    assert begun.intake.holder_release("default", other)
    assert begun.intake.holder("default") is None


def test_repeats_under_a_new_sequence_are_dropped(begun: Store) -> None:
    begun.intake.apply([event(2)], token=ME)
    begun.intake.begin_session("default", 0, "s2", "wss://x", 1, token=ME)
    result = begun.intake.apply([event(2, 2, session_id="s2"), event(3, 3, session_id="s2")], token=ME)
    assert (result.applied, result.duplicates) == (2, 1)
    assert begun.lanes.depth("inbound:default:7") == 2
    reaction = event(4, session_id="s2", dedup="reaction.1.2.add", record=Record("r.1", "R", b""))
    begun.intake.apply([reaction], token=ME)
    again = event(5, session_id="s2", dedup="reaction.1.2.add", record=Record("r.2", "R", b""))
    assert begun.intake.apply([again], token=ME).duplicates == 1
    assert begun.lanes.depth("inbound:default:7") == 3


def test_ids_are_remembered_in_small_sets_of_numbers(begun: Store) -> None:
    begun.intake.apply([event(seq) for seq in range(2, 300)], token=ME)
    (page,) = begun.redis.keys("shoal:1:seen:*")
    assert begun.redis.scard(page) == 298
    assert begun.redis.object("encoding", page) == b"intset"
    assert 80_000 < begun.redis.ttl(page) <= 90_000


def test_events_that_are_not_kept_move_the_cursor_only(begun: Store) -> None:
    begun.intake.apply([IntakeEvent("default", 0, "s1", 1, 900)], token=ME)
    stored = begun.intake.cursor("default", 0)
    assert stored is not None
    assert stored.seq == 900
    assert begun.redis.zcard(begun.keys.due("inbound")) == 0


def test_an_abort_word_goes_past_its_channel_and_the_newest_is_kept(begun: Store) -> None:
    stop = event(3, also=("fast:default:7", Record("m.stop", "stop", b"")), seen=("7", message_id(3)))
    begun.intake.apply([event(2, seen=("7", message_id(2))), stop], token=ME)
    begun.intake.apply([event(4, seen=("7", message_id(1)))], token=ME)
    assert begun.lanes.depth("fast:default:7") == 1
    assert hinted(begun, "fast") == ["fast:default:7"]
    assert begun.intake.newest("default") == {"7": message_id(3)}


def test_what_is_decided_at_once_needs_no_lane(begun: Store) -> None:
    own = event(2, lane=None, record=None, outcome=(message_id(2), "dropped", "own message"))
    begun.intake.apply([own], token=ME)
    explained = begun.ledger.explain("default", message_id(2))
    assert explained is not None
    assert (explained.outcome, explained.reason) == (Outcome.DROPPED, "own message")


def test_a_store_that_went_back_is_noticed(begun: Store) -> None:
    begun.intake.apply([event(2), event(3)], token=ME)
    confirmed = begun.intake.cursor("default", 0)
    assert confirmed is not None
    assert not begun.intake.behind("default", 0, confirmed)
    assert not begun.intake.behind("default", 0, dataclasses.replace(confirmed, seq=2))
    assert begun.intake.behind("default", 0, dataclasses.replace(confirmed, seq=4))
    assert begun.intake.behind("default", 0, dataclasses.replace(confirmed, epoch="other"))
    begun.intake.forget_session("default", 0, token=ME)
    assert begun.intake.behind("default", 0, confirmed)


def test_a_script_flushed_from_the_server_is_loaded_again(begun: Store) -> None:
    begun.redis.script_flush()
    assert begun.intake.apply([event(2), event(3)], token=ME).applied == 2


def test_no_memory_is_about_the_server_not_about_the_event(begun: Store) -> None:
    begun.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            begun.intake.apply([event(2)], token=ME)
    finally:
        begun.redis.config_set("maxmemory", 0)
    assert begun.intake.apply([event(2)], token=ME).applied == 1


def test_malformed_events_are_not_sent(begun: Store) -> None:
    with pytest.raises(InvalidName):
        begun.intake.apply([event(2), event(3, dedup="a b")], token=ME)
    with pytest.raises(ValueError, match="neither"):
        begun.intake.apply([event(2, record=None)], token=ME)
    assert begun.lanes.depth("inbound:default:7") == 0


def test_commands_and_acks(store: Store) -> None:
    store.intake.command("default", b"one")
    store.intake.command("default", b"two")
    assert store.intake.commands("default") == [b"one", b"two"]
    assert store.intake.commands("default") == []
    assert store.intake.acked("55") is None
    assert store.intake.ack("55", "front")
    assert not store.intake.ack("55", "gateway")
    assert store.intake.acked("55") == "front"


def test_event_bodies_keep_the_raw_dispatch() -> None:
    raw = b'{"id":1234567890123456789,"list":[]}'
    sent = InboundEvent("default", 0, "MESSAGE_CREATE", 5, __import__("msgspec").Raw(raw))
    assert bytes(decode_event(encode_event(sent)).data) == raw


def plain(seq: int, number: int, channel: int) -> IntakeEvent:
    name = message_id(number)
    return event(seq, number, lane=f"inbound:default:{channel}", seen=(str(channel), name))


def test_a_run_leaves_what_single_events_leave(begun: Store) -> None:
    """New and old lanes, a repeat, moves of the cursor, an older message after a newer one."""
    begun.intake.apply([plain(2, 1, 7)], token=ME)
    batch = [
        plain(3, 2, 7), plain(4, 3, 8), plain(5, 3, 8), plain(6, 9, 9), plain(7, 4, 9), plain(8, 1, 7),
        event(9, dedup=None, lane=None, record=None), plain(10, 5, 8),
    ]  # fmt: skip
    begun.redis.set("before", 1)
    dumped = {key: begun.redis.dump(key) for key in begun.redis.keys("*")}
    for one in batch:
        assert begun.intake.apply([one], token=ME).applied == 1
    singles = seen_of(begun)
    begun.redis.flushall()
    for key, value in dumped.items():
        begun.redis.restore(key, 0, value)
    assert begun.intake._run(batch, [one.encode() for one in batch], ME) is None  # a repeat in itself
    fresh = [*batch[:2], *batch[3:6], batch[6], batch[7]]
    fresh = [dataclasses.replace(one, follows=2 + index, seq=3 + index) for index, one in enumerate(fresh)]
    assert begun.intake._run(fresh, [one.encode() for one in fresh], ME) == 1
    together = seen_of(begun)
    assert together == singles


def seen_of(store: Store) -> tuple[Any, ...]:
    """Records in order, newest messages, hints: all but the sequence."""
    lanes = [f"inbound:default:{channel}" for channel in (7, 8, 9)]
    orders = [store.redis.lrange(store.keys.lane_order(lane), 0, -1) for lane in lanes]
    return orders, store.intake.newest("default"), sorted(hinted(store, "inbound"))


def test_a_run_of_somebody_elses_account_or_session_is_refused_as_ever(begun: Store) -> None:
    batch = [plain(seq, seq, 7) for seq in range(2, 8)]
    assert begun.intake.apply(batch, token=token(1)).refused == "holder"
    gap = [dataclasses.replace(one, follows=one.follows + 1, seq=one.seq + 1) for one in batch]
    assert begun.intake.apply(gap, token=ME).refused == "chain"
    other = [dataclasses.replace(one, session_id="s2") for one in batch]
    assert begun.intake.apply(other, token=ME).refused == "session"
    assert begun.lanes.depth("inbound:default:7") == 0
    assert begun.intake.apply(batch, token=ME).applied == 6
