"""What was said while nobody listened comes first, once, and within its bounds (R19)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from gateway.backfill import Backfill
from gateway.backfill_read import Filled
from gateway.listener import Personal
from gateway.notice import tell_owner
from shoal.base.errors import StoreUnavailable
from shoal.base.ids import snowflake_at
from shoal.simulator.server import Simulator
from shoal.state.ledger import Outcome
from shoal.state.records import Refused
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT, Running, Start, depth, eventually, inbound, lane_records
from workers.delivery.records import decode_send

pytestmark = pytest.mark.waits

OPEN = {"groupPolicy": "open", "dmPolicy": "open", "allowFrom": ["*"]}


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator() as running:
        monkeypatch.setattr("tests.gateway.conftest.TOKEN", running.token)
        yield running


@pytest.fixture
def listen(discord: Simulator, store: Store, start: Start) -> Callable[..., Running]:
    """Starts a gateway and waits until it is live and knows the guild."""

    def make(settings: dict[str, Any] | None = None, **more: Any) -> Running:
        running = start(api_url=discord.api_url, discord=OPEN if settings is None else settings, **more)
        eventually(lambda: running.gateway.shard.live, 30.0)
        eventually(lambda: store.facts.channel(ACCOUNT, discord.channel_id))
        return running

    return make


def lose(discord: Simulator, running: Running) -> None:
    """End the gateway in good order, and its session at Discord behind its back."""
    running.stop()
    eventually(lambda: discord.control.gateway("forget")["touched"] or not discord.control.sessions())


def filled(running: Running) -> None:
    """Wait until every shard's READY is stored and its gap, if there was one, is filled."""
    lines = running.gateway.lines
    eventually(lambda: all(line.writer.stored and not line.backfill.filling for line in lines), 30.0)


def say(discord: Simulator, text: str, channel: str | None = None, **fields: Any) -> str:
    return str(discord.control.say(channel or discord.channel_id, text, **fields)["id"])


def ids(store: Store, channel: str) -> list[str]:
    return [msgspec.json.decode(event.data)["id"] for event in inbound(store, channel)]


def reads(discord: Simulator) -> list[str]:
    return [entry["path"] for entry in discord.control.requests(route="GET /channels/{channel_id}/messages")]


def test_missed_messages_come_before_live_ones_and_once(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    before = [say(discord, "before one"), say(discord, "before two")]
    eventually(lambda: depth(store, discord.channel_id) == 2)
    lose(discord, running)
    missed = [say(discord, f"missed {n}") for n in range(6)]
    discord.control.fault("delay", route="GET /channels/{channel_id}/messages", seconds=1.5)
    running = listen()
    live = [say(discord, f"live {n}") for n in range(4)]
    eventually(lambda: depth(store, discord.channel_id) >= 6)
    taken = store.lanes.acquire(f"inbound:{ACCOUNT}:{discord.channel_id}", "t" * 32)
    assert isinstance(taken, Refused)
    assert taken.reason == "held"
    filled(running)
    assert ids(store, discord.channel_id) == [*before, *missed, *live]
    assert store.gaps.read(ACCOUNT, 0) is None
    [request] = discord.control.requests(route="GET /channels/{channel_id}/messages")
    assert before[-1] in json.dumps(request)


def test_channels_without_need_are_let_go_without_a_request(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    said = say(discord, "before")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    lose(discord, running)
    running = listen()
    filled(running)
    assert reads(discord) == []
    assert ids(store, discord.channel_id) == [said]


def test_a_channel_never_heard_of_is_read_from_the_time_of_the_gap(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    quiet = discord.control.add_channel(discord.guild_id, "quiet")["id"]
    running = listen()
    say(discord, "elsewhere")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    lose(discord, running)
    missed = say(discord, "first words here", quiet)
    running = listen()
    filled(running)
    assert ids(store, quiet) == [missed]


def test_the_first_start_of_all_reads_nothing(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    say(discord, "long before we came")
    running = listen()
    filled(running)
    assert depth(store, discord.channel_id) == 0
    assert reads(discord) == []


def test_only_places_that_could_be_heard_are_read(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    other = discord.control.add_channel(discord.guild_id, "other")["id"]
    settings = {
        "groupPolicy": "allowlist", "dmPolicy": "disabled",
        "guilds": {discord.guild_id: {"channels": {"general": {}, "other": {"enabled": False}}}},
    }  # fmt: skip
    running = listen(settings)
    dm = discord.control.dm("hello")["channel_id"]
    say(discord, "a")
    say(discord, "b", other)
    eventually(lambda: depth(store, other) and depth(store, discord.channel_id) and depth(store, dm))
    lose(discord, running)
    say(discord, "missed")
    say(discord, "missed", other)
    discord.control.dm("missed")
    running = listen(settings)
    filled(running)
    assert {path.split("/channels/")[1].split("/")[0] for path in reads(discord)} == {discord.channel_id}


def test_direct_messages_come_back_and_the_owner_is_told(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    first = discord.control.dm("hello")
    dm = first["channel_id"]
    eventually(lambda: depth(store, dm) == 1)
    lose(discord, running)
    missed = discord.control.dm("are you there?")["id"]
    owner = first["author"]["id"]
    running = listen(personal=Personal(owners=("1", owner)))
    filled(running)
    assert ids(store, dm) == [first["id"], missed]
    [record] = eventually(lambda: lane_records(store, f"delivery:{ACCOUNT}:{dm}"))
    request = decode_send(record.body)
    assert (record.kind, record.identity) == ("send", request.identity)
    assert request.plain
    assert "1 missed message(s) in 1 channel(s)" in request.text


def test_what_is_too_old_is_history_and_what_is_too_much_is_left_out(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    say(discord, "before")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    inbound(store, discord.channel_id)
    lose(discord, running)
    # as if the last message before the gap were of yesterday, and some of the missed of two hours ago
    old = int(time.time() * 1000) - 2 * 3_600_000
    store.redis.hset(store.keys.last(ACCOUNT), discord.channel_id, snowflake_at(old - 1000))
    aged = [say(discord, f"old {n}", timestamp_ms=old + n * 1000) for n in range(3)]
    fresh = [say(discord, f"new {n}") for n in range(55)]
    running = listen()
    filled(running)
    events = inbound(store, discord.channel_id)
    assert [msgspec.json.decode(event.data)["id"] for event in events] == fresh[-50:]
    assert not any(event.history for event in events)
    explained = store.ledger.explain(ACCOUNT, aged[0])
    assert explained is not None
    assert (explained.outcome, explained.reason) == (Outcome.DROPPED, "backfill-limit")


def test_old_messages_within_the_limit_are_marked_as_history(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    say(discord, "before")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    inbound(store, discord.channel_id)
    lose(discord, running)
    old = int(time.time() * 1000) - 2 * 3_600_000
    store.redis.hset(store.keys.last(ACCOUNT), discord.channel_id, snowflake_at(old - 1000))
    aged = say(discord, "old", timestamp_ms=old)
    fresh = say(discord, "new")
    running = listen()
    filled(running)
    events = inbound(store, discord.channel_id)
    found = [(msgspec.json.decode(event.data)["id"], event.history) for event in events]
    assert found == [(aged, True), (fresh, False)]


def test_authors_get_their_member_where_roles_matter(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    settings = {"groupPolicy": "allowlist", "guilds": {discord.guild_id: {"roles": ["1234567"]}}}
    running = listen(settings)
    say(discord, "before")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    inbound(store, discord.channel_id)
    lose(discord, running)
    for number in range(4):
        say(discord, f"missed {number}")
    running = listen(settings)
    filled(running)
    events = [msgspec.json.decode(event.data) for event in inbound(store, discord.channel_id)]
    assert len(events) == 4
    assert all("roles" in event["member"] and event["guild_id"] == discord.guild_id for event in events)
    asked = discord.control.requests(route="GET /guilds/{guild_id}/members/{user_id}")
    assert len(asked) == 1


def test_a_back_fill_that_was_cut_short_is_finished_by_the_next_gateway(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    before = say(discord, "before")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    lose(discord, running)
    missed = [say(discord, f"missed {n}") for n in range(3)]
    discord.control.fault("status", route="GET /channels/{channel_id}/messages", status=503, count=None)
    running = listen()
    eventually(lambda: reads(discord))
    live = say(discord, "live")
    eventually(lambda: depth(store, discord.channel_id) == 2)
    running.stop()
    assert store.gaps.read(ACCOUNT, 0) is not None
    discord.control.clear_faults()
    running = listen()
    eventually(lambda: depth(store, discord.channel_id) == 5)
    filled(running)
    eventually(lambda: store.gaps.read(ACCOUNT, 0) is None)
    store.lanes.unhold(f"inbound:{ACCOUNT}:{discord.channel_id}")
    assert ids(store, discord.channel_id) == [before, *missed, live]


def test_a_channel_that_cannot_be_read_holds_nothing(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    say(discord, "before")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    lose(discord, running)
    say(discord, "missed")
    body = {"code": 50001, "message": "Missing Access"}
    discord.control.fault(
        "status", route="GET /channels/{channel_id}/messages", status=403, body=body, count=None
    )
    running = listen()
    filled(running)
    assert len(ids(store, discord.channel_id)) == 1


def test_a_resumed_session_asks_for_nothing(
    discord: Simulator, store: Store, listen: Callable[..., Running]
) -> None:
    running = listen()
    first = say(discord, "one")
    eventually(lambda: depth(store, discord.channel_id) == 1)
    running.stop()
    second = say(discord, "two")
    listen()
    eventually(lambda: depth(store, discord.channel_id) == 2)
    assert ids(store, discord.channel_id) == [first, second]
    assert reads(discord) == []


def test_without_a_known_dm_the_line_stays_in_the_log(store: Store) -> None:
    assert not tell_owner(store, ACCOUNT, Filled(fetched=1), ("77",), "en")


def test_the_dm_with_an_owner_is_opened_where_it_is_not_known(store: Store) -> None:
    """The first owner who can be reached hears of it."""
    asked: list[str] = []

    def open_dm(owner: str) -> str:
        asked.append(owner)
        if owner == "77":
            raise StoreUnavailable("not today")
        return "9001"

    assert tell_owner(store, ACCOUNT, Filled(fetched=1), ("77", "78", "79"), "en", open_dm=open_dm)
    assert asked == ["77", "78"]
    assert store.lanes.depth(f"delivery:{ACCOUNT}:9001") == 1
    assert store.facts.dm_channel(ACCOUNT, "78") == "9001"
    assert tell_owner(store, ACCOUNT, Filled(fetched=1), ("78",), "en", open_dm=open_dm)
    assert asked == ["77", "78"], "what is known is not opened again"


def test_the_writer_alone_begins_back_fills(
    discord: Simulator, store: Store, listen: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the dispatches: beside it, a READY and an old gap would begin at once."""
    begin, seen = Backfill.begin, []

    def noted(self: Backfill, ready: msgspec.Raw | None) -> None:
        seen.append((threading.current_thread().name, ready is None))
        begin(self, ready)

    monkeypatch.setattr(Backfill, "begin", noted)
    listen().stop()
    filled(listen())
    assert ("writer-0", True) in seen, "an old gap is looked for at a start with a session"
    assert {name for name, _ in seen} == {"writer-0"}
