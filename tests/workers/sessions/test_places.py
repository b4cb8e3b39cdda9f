"""Places that go away (``spec/decisions.md`` 53, ``spec/inbound.md`` 5.6), on a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shoal.base.ids import snowflake_ms
from shoal.state.effects import SessionPut
from shoal.state.records import Record, encode_event, event_of
from shoal.state.store import Store
from tests.workers.agent.support.turns import deps
from tests.workers.sessions.helpers import CHANNEL, GUILD, NOW, event, in_guild, message
from tests.workers.sessions.stored import Admitting
from workers.agent.context import TurnContext
from workers.agent.turn import run_turn
from workers.sessions.admission import admit
from workers.sessions.view import StoreView

THREAD = "650"
LANE = f"session:agent:main:discord:channel:{CHANNEL}"
AGENTS = {
    "agents": {"list": [{"id": "main"}, {"id": "helper"}]},
    "bindings": [
        {"agentId": "helper", "match": {"channel": "discord", "guildId": GUILD, "roles": ["7"]}},
    ],
}
SOON = snowflake_ms(NOW) + 1


def from_role(content: str, number: int) -> dict[str, Any]:
    return in_guild(content, id=str(NOW - number), member={"roles": ["7"], "nick": None})


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("CHANNEL_DELETE", {"type": 0}, "channel-deleted"),
        ("THREAD_DELETE", {}, "thread-deleted"),
        ("THREAD_UPDATE", {"thread_metadata": {"archived": True}}, "thread-archived"),
        ("THREAD_UPDATE", {"thread_metadata": {"locked": True}}, "thread-locked"),
        ("THREAD_UPDATE", {"thread_metadata": {"archived": False}}, ""),
        ("THREAD_UPDATE", {"thread_metadata": 5}, ""),
    ],
)
def test_what_was_begun_in_a_place_that_is_gone_ends_with_a_reason(
    store: Store, tmp_path: Path, name: str, more: dict[str, Any], reason: str
) -> None:
    admitting = Admitting(store, tmp_path, AGENTS)
    admitting.event(in_guild())
    admitting.event(from_role("to the other agent", 1))
    store.facts.remove_channel("default", CHANNEL)
    admitting.event({"id": CHANNEL, "guild_id": GUILD, **more}, name, at_ms=SOON)
    for lane, message_id in ((LANE, NOW), (LANE.replace("main", "helper"), NOW - 1)):
        grant = admitting.head(lane)
        assert grant.stopped is bool(reason)
        if reason:
            step = run_turn(grant, deps(store, None), TurnContext())
            store.lanes.commit(grant, step.effects)  # type: ignore[union-attr]
            assert admitting.outcome(message_id) == ("stopped", reason)


def test_what_is_written_after_an_archive_is_not_stopped(store: Store, tmp_path: Path) -> None:
    """Discord's own time counts: our clock may be ahead of it."""
    admitting = Admitting(store, tmp_path)
    admitting.event(in_guild("before", id=str(NOW)))
    archived = {"archived": True, "archive_timestamp": "2026-01-05T00:49:54.000000+00:00"}
    place = {"id": CHANNEL, "guild_id": GUILD, "thread_metadata": archived}
    admitting.event(place, "THREAD_UPDATE", at_ms=SOON + 60_000)
    admitting.event(in_guild("after", id=str(NOW + (1_000 << 22))))
    first = admitting.head(LANE)
    assert first.stopped
    following = store.lanes.commit(first, [])
    assert following is not None
    assert not following.stopped


def test_an_archive_resets_the_sessions_of_all_agents_that_have_one(store: Store, tmp_path: Path) -> None:
    admitting = Admitting(store, tmp_path, AGENTS)
    keys = [f"agent:{agent}:discord:channel:{THREAD}" for agent in ("main", "helper")]
    other = f"agent:main:discord:channel:{CHANNEL}"
    store.lanes.push("session:agent:main:main", Record("seed", "turn", b"{}"))
    grant = admitting.head("session:agent:main:main")
    puts = [SessionPut(key, {"session_id": "old", "started_ms": "5"}) for key in (*keys, other)]
    store.lanes.commit(grant, puts)
    place = {"id": THREAD, "guild_id": GUILD, "thread_metadata": {"archived": True}}
    admitting.event(place, "THREAD_UPDATE", at_ms=SOON)
    for key in keys:
        assert store.sessions.get(key)["reset_before_ms"] == str(SOON).encode()
    assert "reset_before_ms" not in store.sessions.get(other)
    # a conversation nobody had gets no record by it
    place = {"id": "651", "guild_id": GUILD, "thread_metadata": {"archived": True}}
    admitting.event(place, "THREAD_UPDATE", at_ms=SOON)
    assert store.sessions.get("agent:main:discord:channel:651") == {}


def test_a_lock_resets_nothing(store: Store, tmp_path: Path) -> None:
    """5.6: only an archive does. Who locks a thread for a while does not want it forgotten."""
    admitting = Admitting(store, tmp_path, AGENTS)
    key = f"agent:main:discord:channel:{THREAD}"
    store.lanes.push("session:agent:main:main", Record("seed", "turn", b"{}"))
    grant = admitting.head("session:agent:main:main")
    store.lanes.commit(grant, [SessionPut(key, {"session_id": "old", "started_ms": "5"})])
    place = {"id": THREAD, "guild_id": GUILD, "thread_metadata": {"archived": False, "locked": True}}
    admitting.event(place, "THREAD_UPDATE", at_ms=SOON)
    assert "reset_before_ms" not in store.sessions.get(key)


def test_a_guild_that_is_gone_ends_everything_of_it_and_nothing_else(store: Store, tmp_path: Path) -> None:
    admitting = Admitting(
        store, tmp_path, {**AGENTS, "channels": {"discord": {"guilds": {GUILD: {}, "501": {}}}}}
    )
    admitting.event(in_guild("one"))
    admitting.event(in_guild("two", id=str(NOW - 1), channel_id="601"))
    admitting.event(from_role("three", 2))
    admitting.event(in_guild("elsewhere", id=str(NOW - 3), channel_id="700", guild_id="501"))
    admitting.event(message("in private", id=str(NOW - 4)))
    store.facts.remove_guild("default", GUILD)
    admission = admitting.event({"id": GUILD}, "GUILD_DELETE", at_ms=SOON)
    assert admission.summary == "event · guild-delete · guild-removed"
    stopped = {
        lane: admitting.head(lane).stopped
        for lane in (
            LANE,
            LANE.replace(CHANNEL, "601"),
            LANE.replace("main", "helper"),
            LANE.replace(CHANNEL, "700"),
            "session:agent:main:main",
        )
    }
    assert list(stopped.values()) == [True, True, True, False, False]


def test_a_place_that_had_nothing_ends_nothing(store: Store, tmp_path: Path) -> None:
    admitting = Admitting(store, tmp_path)
    assert admitting.event({"id": "5", "guild_id": GUILD}, "CHANNEL_DELETE").stops == ()
    assert admitting.event({"id": GUILD}, "GUILD_DELETE").stops == ()


def test_a_hosts_clock_that_is_behind_does_not_keep_what_should_end(store: Store, tmp_path: Path) -> None:
    """Births are compared with births: the record's own, which Redis gives it (rule R7)."""
    admitting = Admitting(store, tmp_path)
    admitting.event(in_guild())
    gone = event({"id": CHANNEL, "guild_id": GUILD}, "CHANNEL_DELETE")
    deleted = msgspec.structs.replace(gone, received_ms=5)
    lane = f"inbound:default:{CHANNEL}"
    store.lanes.push(lane, Record("gone", "CHANNEL_DELETE", encode_event(deleted)))
    admission = admit(event_of(admitting.head(lane).head), StoreView(admitting.settings, store))
    [stop] = admission.stops
    assert abs(stop.born_ms - store.now_ms()) < 60_000
