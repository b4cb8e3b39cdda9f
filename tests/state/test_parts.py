"""Facts, ledger, sessions, receipts, blobs, processes."""

from __future__ import annotations

import os
import time

import pytest

from shoal.base.errors import StateConflict
from shoal.base.ids import new_token
from shoal.state.effects import Count, Effect, Expire, Note, Outcome, Receipt, SessionPut, Transcript
from shoal.state.ledger import Outcome as Verdict
from shoal.state.records import Grant
from shoal.state.sessions import HOT_BYTES
from shoal.state.store import Store
from tests.state.support import MESSAGE, SESSION, record


def commit(store: Store, *effects: Effect) -> None:
    store.lanes.push(SESSION, record(f"m.{new_token()}"))
    grant = store.lanes.acquire(SESSION, new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, list(effects))


def test_the_first_outcome_wins_and_notes_tell_the_story(store: Store) -> None:
    assert store.ledger.explain("default", MESSAGE) is None
    commit(store, Note("default", MESSAGE, "session", SESSION), Note("default", MESSAGE, "session", SESSION))
    explained = store.ledger.explain("default", MESSAGE)
    assert explained is not None
    assert (explained.outcome, explained.notes) == (None, [("session", SESSION)])
    commit(store, Outcome("default", MESSAGE, "answered", ""), Outcome("default", MESSAGE, "dead", "late"))
    commit(
        store, Outcome("default", MESSAGE, "stopped", ""), Note("default", MESSAGE, "turn", "2 tools = 4.1 s")
    )
    assert not store.ledger.close("default", MESSAGE, Verdict.DROPPED, "late")
    explained = store.ledger.explain("default", MESSAGE)
    assert explained is not None
    assert (explained.outcome, explained.reason) == (Verdict.ANSWERED, "")
    assert explained.notes == [("session", SESSION), ("turn", "2 tools = 4.1 s")]
    day = explained.at_ms // 86_400_000
    assert store.ledger.counters("default", day) == {"answered": 1}
    assert store.ledger.explain("other", MESSAGE) is None


def test_chatter_is_counted_but_not_stored(store: Store) -> None:
    ids = [str(int(MESSAGE) + number) for number in range(130)]
    for message in ids:
        assert store.ledger.close("default", message, Verdict.DROPPED, "mention-required")
    stored = sum(store.ledger.explain("default", message) is not None for message in ids)
    day = store.now_ms() // 86_400_000
    counters = store.ledger.counters("default", day)
    assert counters["dropped"] == stored
    assert counters["dropped"] + counters.get("chatter", 0) == 130
    assert 50 <= stored < 130, "the loop takes well under two seconds"


def test_what_was_said_to_the_bot_is_stored_however_much_chatter_there_is(store: Store) -> None:
    """Promise 1: a press that came too late is explained, also in a second full of the bot's own messages."""
    ids = [str(int(MESSAGE) + number) for number in range(200)]
    for message in ids[:130]:
        store.ledger.close("default", message, Verdict.DROPPED, "own-message")
    for message in ids[130:]:
        store.ledger.close("default", message, Verdict.DROPPED, "component-expired")
    assert all(store.ledger.explain("default", message) is not None for message in ids[130:])


def test_reasons_of_one_word_are_counted(store: Store) -> None:
    """Also of drops that are not stored; a reason with an id in it would be a counter of its own."""
    ids = [str(int(MESSAGE) + number) for number in range(70)]
    for message in ids[:60]:
        store.ledger.close("default", message, Verdict.DROPPED, "mention-required")
    store.ledger.close("default", ids[60], Verdict.MERGED, "into.123")
    store.ledger.close("default", ids[61], Verdict.DEAD, "transport-50013")
    commit(store, Count("default", "reaction.off"), Count("default", "reaction.off"))
    counters = store.ledger.counters("default", store.now_ms() // 86_400_000)
    assert counters["dropped.mention-required"] == 60
    assert counters["reaction.off"] == 2
    assert {name for name in counters if "." in name} == {"dropped.mention-required", "reaction.off"}


def test_counters_are_bounded(store: Store) -> None:
    day = store.now_ms() // 86_400_000
    key = store.keys.counters("default", day)
    store.redis.hset(key, mapping={f"old.{number}": 1 for number in range(399)})
    commit(store, Count("default", "new.a"), Count("default", "new.b"), Count("default", "new.a"))
    counters = store.ledger.counters("default", day)
    assert (counters["new.a"], counters.get("new.b")) == (2, None)


def test_outcomes_of_no_message_are_refused(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = store.lanes.acquire(SESSION, new_token())
    assert isinstance(grant, Grant)
    for wrong in (
        Outcome("default", "not-a-snowflake", "answered"),
        Outcome("default", MESSAGE, "forgotten"),
    ):
        with pytest.raises(StateConflict):
            store.lanes.commit(grant, [wrong])


def test_outcomes_stay_packed(store: Store) -> None:
    for number in range(120):
        store.ledger.close("default", str(int(MESSAGE) + number), Verdict.HISTORY, "no mention")
    (page,) = store.redis.keys("shoal:1:out:default:*")
    assert store.redis.object("encoding", page) == b"listpack"


def test_sessions_and_transcripts(store: Store) -> None:
    commit(
        store, SessionPut("agent:main:dm:1", {"session_id": "s1", "old": "x"}), Transcript("s1", [b"1", b"2"])
    )
    commit(store, SessionPut("agent:main:dm:1", {"old": None}), Transcript("s1", [b"3"]))
    found = store.sessions.get("agent:main:dm:1")
    assert found["session_id"] == b"s1"
    assert "old" not in found
    assert abs(int(found["updated_at"]) - store.now_ms()) < 60_000
    assert [key for key, _ in store.sessions.recent()] == ["agent:main:dm:1"]
    assert store.sessions.transcript("s1", last=2) == [b"2", b"3"]
    assert store.sessions.transcript("s1", last=0) == []


def test_long_transcripts_are_archived_and_whole(store: Store) -> None:
    entries = [os.urandom(1000) for _ in range(2300)]
    for start in range(0, len(entries), 100):
        commit(store, Transcript("s1", entries[start : start + 100]))
    assert store.sessions.hot_bytes("s1") > HOT_BYTES
    moved = store.sessions.archive("s1")
    assert moved > 500
    assert store.sessions.archive("s1") == 0
    assert store.sessions.hot_bytes("s1") < HOT_BYTES
    assert store.sessions.transcript("s1") == entries[moved:]
    assert store.sessions.whole_transcript("s1") == entries


def test_a_bounded_transcript_keeps_its_newest_entries_and_ends(store: Store) -> None:
    """What grows with every message of a channel is bounded where it is written (R27)."""
    for number in range(12):
        commit(store, Transcript("history:1", [b"%05d" % number], keep=5))
    assert store.sessions.transcript("history:1") == [b"%05d" % number for number in range(7, 12)]
    assert store.sessions.hot_bytes("history:1") == 25
    assert 0 < store.redis.ttl(store.keys.transcript("history:1")) <= 30 * 86_400
    assert 0 < store.redis.ttl(store.keys.transcript_meta("history:1")) <= 30 * 86_400


def test_receipts_keep_the_first_value(store: Store) -> None:
    commit(store, Receipt("m:1", 0, b"700"), Receipt("m:1", 1, b"701"))
    commit(store, Receipt("m:1", 0, b"999"))
    assert store.receipts.receipt("m:1") == {0: b"700", 1: b"701"}


def test_blobs_end(store: Store) -> None:
    blob = store.blobs.put(b"\x00large", ttl_s=5000)
    assert store.blobs.get(blob) == b"\x00large"
    commit(store, Expire(blob))
    assert 0 < store.redis.ttl(store.keys.blob(blob)) <= 60
    with pytest.raises(StateConflict):
        store.blobs.put(b"x" * (25 * 1024 * 1024 + 1))


def test_facts_of_a_guild(store: Store) -> None:
    facts = store.facts
    guild = {
        "id": "1", "name": "Reef", "members": [1] * 1000, "roles": [{"id": "1", "name": "@everyone"}],
        "channels": [{"id": "10", "name": "a"}, {"id": "11", "name": "b"}], "threads": [{"id": "12"}],
    }  # fmt: skip
    facts.put_guild("default", "1", guild)
    assert facts.guild("default", "1") == {"id": "1", "name": "Reef"}
    assert facts.channel("default", "10") == {"id": "10", "name": "a", "guild_id": "1"}
    assert {channel["id"] for channel in facts.channels("default", "1")} == {"10", "11", "12"}
    facts.put_guild("default", "1", {"id": "1", "name": "Reef 2"})
    assert len(facts.channels("default", "1")) == 3
    facts.put_guild("default", "1", {**guild, "channels": [{"id": "11"}, None], "threads": None})
    assert [channel["id"] for channel in facts.channels("default", "1")] == ["11"]
    assert facts.channel("default", "10") is None
    facts.put_role("default", "1", {"id": "5"})
    facts.put_role("default", "1", {"id": "5", "name": "mods"})
    assert facts.roles("default", "1") == [{"id": "1", "name": "@everyone"}, {"id": "5", "name": "mods"}]
    facts.remove_role("default", "1", "5")
    assert len(facts.roles("default", "1")) == 1
    facts.put_channel("default", {"id": "20", "guild_id": "1"})
    facts.remove_channel("default", "20")
    assert facts.channel("default", "20") is None
    facts.remove_guild("default", "1")
    assert facts.guilds("default") == {}
    assert facts.channel("default", "11") is None


def test_facts_about_ourselves_and_others(store: Store) -> None:
    store.facts.put_me("default", {"id": "9", "username": "shoal"})
    assert store.facts.me("default") == {"id": "9", "username": "shoal"}
    assert store.facts.me("other") is None
    store.facts.put_direct("default", "500", "5")
    store.facts.put_channel("default", {"id": "600", "type": 3})
    store.facts.put_direct("default", "600", "6")
    store.facts.put_direct("default", "700", "")
    assert store.facts.direct("default") == {"500", "600", "700"}
    assert store.facts.dm_channel("default", "5") == "500"
    assert store.facts.dm_channel("default", "6") is None
    store.facts.put("default", "misc", "x", b'{"a":1}')
    assert store.facts.all("default", "misc") == {"x": {"a": 1}}


def test_processes_live_as_long_as_they_say(store: Store) -> None:
    store.processes.announce("turns.2", "Host-A", 7, reads=(1, 2), info={"free": 3}, ttl=60)
    store.processes.announce("front", "host-a", 8, reads=(1, 3), ttl=0.1)
    assert [process.kind for process in store.processes.living()] == ["front", "turns.2"]
    time.sleep(0.15)
    (process,) = store.processes.living()
    assert (process.name, process.info, process.reads) == ("turns.2.host-a.7", {"free": 3}, (1, 2))
    store.processes.leave("turns.2", "Host-A", 7)
    assert store.processes.living() == []
