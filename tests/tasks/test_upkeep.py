"""Housekeeping on a real Valkey: what grows is packed, leftovers go, the owner hears of it (rule R27)."""

from __future__ import annotations

import os

import pytest

from shoal.base.ids import new_token
from shoal.state.effects import SessionPut, Transcript
from shoal.state.records import Grant, Record
from shoal.state.sessions import HOT_BYTES
from shoal.state.store import Store
from tasks.app import build_app
from tasks.periodic import PERIODIC
from tasks.registry import UPKEEP_TASKS, register
from tasks.runtime import Runtime
from tasks.upkeep import archive, mind_memory
from tests.tasks.conftest import OWNER
from workers.delivery.records import decode_send


def talk(store: Store, session: str, size: int, entries: int) -> list[bytes]:
    """A session with a transcript of so many entries, written as turns write them."""
    lines = [os.urandom(size) for _ in range(entries)]
    lane = f"session:{session}"
    store.lanes.push(lane, Record("m:1", "turn", b""))
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    per_call = max(1, 200_000 // size)
    for step, start in enumerate(range(0, entries, per_call), 1):
        store.lanes.checkpoint(grant, step, [Transcript("s-" + session, lines[start : start + per_call])])
    store.lanes.commit(grant, [SessionPut(session, {"session_id": "s-" + session})])
    return lines


def test_a_long_transcript_of_a_recent_session_is_packed_and_whole(runtime: Runtime) -> None:
    store = runtime.store
    lines = talk(store, "agent:main:main", 50_000, 50)
    talk(store, "agent:main:other", 1000, 10)
    assert archive(runtime) != "archived · 0 entries"
    assert store.sessions.hot_bytes("s-agent:main:main") <= HOT_BYTES
    assert store.sessions.whole_transcript("s-agent:main:main") == lines
    assert len(store.sessions.transcript("s-agent:main:other")) == 10
    assert archive(runtime) == "archived · 0 entries"


def test_a_session_that_rests_is_not_looked_at_again(runtime: Runtime) -> None:
    store = runtime.store
    talk(store, "agent:main:main", 50_000, 50)
    store.redis.zadd(store.keys.sessions(), {"agent:main:main": store.now_ms() - 3_600_000})
    assert archive(runtime) == "archived · 0 entries"


def test_where_memory_is_short_room_is_made_and_the_owner_hears_of_it_once(runtime: Runtime) -> None:
    store = runtime.store
    store.facts.put_dm_channel("default", OWNER, "5")
    store.facts.put_guild("default", "1", {"id": "1", "channels": [{"id": "2"}]})
    store.facts.put_guild("sold", "8", {"id": "8", "channels": [{"id": "9"}]})
    lines = talk(store, "agent:main:main", 20_000, 20)
    assert mind_memory(runtime).startswith("memory · ")
    assert store.facts.guild("sold", "8"), "nothing goes while there is room"

    used = int(store.redis.info("memory")["used_memory"])
    store.redis.config_set("maxmemory", int(used / 0.85))
    assert "keys pruned" in mind_memory(runtime)
    mind_memory(runtime)
    assert store.facts.guilds("sold") == {}
    assert store.facts.channels("sold", "8") == []
    assert store.facts.channels("default", "1")
    assert store.sessions.hot_bytes("s-agent:main:main") <= HOT_BYTES // 16
    assert store.sessions.whole_transcript("s-agent:main:main") == lines
    grant = store.lanes.acquire("delivery:default:5", new_token())
    assert isinstance(grant, Grant)
    assert "80 %" in decode_send(grant.head.body).text
    assert store.lanes.depth("delivery:default:5") == 1


def test_an_account_that_a_gateway_holds_keeps_its_facts(runtime: Runtime) -> None:
    """Another machine's file may name accounts that ours does not."""
    store = runtime.store
    store.facts.put_guild("elsewhere", "8", {"id": "8", "channels": []})
    store.intake.holder_acquire("elsewhere", new_token(), 60_000)
    used = int(store.redis.info("memory")["used_memory"])
    store.redis.config_set("maxmemory", int(used / 0.85))
    mind_memory(runtime)
    assert store.facts.guild("elsewhere", "8") is not None


def test_beat_ticks_every_upkeep_task_there_is() -> None:
    app = build_app("redis://127.0.0.1:1/0")
    register(app, lambda: pytest.fail("no task runs here"))
    assert {entry["task"] for entry in PERIODIC.values()} == set(UPKEEP_TASKS)
    assert set(UPKEEP_TASKS) <= set(app.tasks)
