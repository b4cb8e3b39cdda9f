"""Redis away, gone back, or refusing one event: nothing is lost, nothing is skipped in silence."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import msgspec
import pytest

from gateway.buffer import Buffer, Item
from gateway.events import Kept
from gateway.holder import AccountHolder
from gateway.intake import Writer
from gateway.patience import is_passing
from shoal.state.records import Record
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.gateway.conftest import ACCOUNT, Start, depth, eventually, inbound, lane_records
from tests.gateway.support.server import CHANNEL, ScriptedGateway, message

pytestmark = pytest.mark.waits


@pytest.fixture
def own(durable_server: RedisServer) -> Iterator[Store]:
    """A store on a server that the test may kill."""
    opened = Store.open(durable_server.url, client_name="test")
    yield opened
    opened.close()


def ready(server: ScriptedGateway, store: Store) -> None:
    server.wait_frames(2)
    eventually(lambda: store.intake.cursor(ACCOUNT, 0))


def ids(store: Store) -> list[str]:
    return [msgspec.json.decode(event.data)["id"] for event in inbound(store)]


def test_while_redis_is_away_hearts_beat_and_events_wait(
    server: ScriptedGateway, own: Store, durable_server: RedisServer, start: Start
) -> None:
    server.script.interval_ms = 400
    start(into=own)
    ready(server, own)
    sent = [message(number) for number in range(60)]
    for one in sent[:20]:
        server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(own) == 20)
    durable_server.kill()
    for one in sent[20:]:
        server.dispatch("MESSAGE_CREATE", one)
    beats = server.count("frame", 1)
    server.wait_frames(1, beats + 5)
    durable_server.restart()
    eventually(lambda: depth(own) == 60)
    assert ids(own) == [one["id"] for one in sent]
    assert server.count("open") == 1


def test_a_full_buffer_stops_the_reading_not_the_heart(
    server: ScriptedGateway, own: Store, durable_server: RedisServer, start: Start
) -> None:
    server.script.interval_ms = 300
    running = start(into=own, discord={"eventQueue": {"maxQueueSize": 10, "maxConcurrency": 5}})
    ready(server, own)
    durable_server.kill()
    sent = [message(number) for number in range(200)]
    for one in sent:
        server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: not running.gateway.shard.status()["reading"])
    beats = server.count("frame", 1)
    server.wait_frames(1, beats + 6)
    assert len(running.gateway.buffer) <= 10
    durable_server.restart()
    eventually(lambda: depth(own) == 200)
    assert ids(own) == [one["id"] for one in sent]
    assert server.count("open") == 1


def test_a_store_that_went_back_is_filled_again_by_resume(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    start()
    ready(server, store)
    early = [message(number) for number in range(10)]
    for one in early:
        server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(store) == 10)
    before = store.redis.dump(store.keys.cursor(ACCOUNT, 0))
    late = [message(number) for number in range(10, 15)]
    for one in late:
        server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(store) == 15)
    # as after a fail-over that lost its tail: the cursor is old, the newest records are gone
    store.redis.flushdb()
    store.redis.restore(store.keys.cursor(ACCOUNT, 0), 0, before)
    [resume] = server.wait_frames(6)
    assert resume["seq"] == 11
    eventually(lambda: depth(store) == 5)
    assert ids(store) == [one["id"] for one in late]
    assert server.count("frame", 2) == 1


def test_a_store_that_lost_everything_gets_a_new_session(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    start()
    ready(server, store)
    server.dispatch("MESSAGE_CREATE", message(1))
    eventually(lambda: depth(store) == 1)
    store.redis.flushdb()
    server.wait_frames(2, 2)
    server.dispatch("MESSAGE_CREATE", message(2))
    eventually(lambda: depth(store) == 1)


def test_an_event_that_fails_alone_is_skipped_with_its_reason(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    start()
    ready(server, store)
    poisoned = "700000000000000666"
    store.redis.set(store.keys.lane_order(f"inbound:{ACCOUNT}:{poisoned}"), "not a list")
    sent = [message(0), message(1, channel=poisoned), message(2), message(3, channel=poisoned), message(4)]
    for one in sent:
        server.dispatch("MESSAGE_CREATE", one)
    eventually(lambda: depth(store) == 3)
    assert ids(store) == [sent[0]["id"], sent[2]["id"], sent[4]["id"]]
    dead = store.lanes.dead_list(10)
    assert len(dead) == 2
    assert {one.source for one in dead} == {"intake"}
    assert all(one.reason for one in dead)
    cursor = store.intake.cursor(ACCOUNT, 0)
    assert cursor is not None
    assert cursor.seq == 6


def test_memory_full_is_waited_out_not_skipped(
    server: ScriptedGateway, own: Store, durable_server: RedisServer, start: Start
) -> None:
    running = start(into=own)
    ready(server, own)
    own.redis.config_set("maxmemory", "1")
    sent = [message(number) for number in range(5)]
    for one in sent:
        server.dispatch("MESSAGE_CREATE", one)
    time.sleep(3.5)  # the account's lock is renewed every two seconds
    assert depth(own) == 0
    own.redis.config_set("maxmemory", "0")
    eventually(lambda: depth(own) == 5)
    assert ids(own) == [one["id"] for one in sent]
    assert own.lanes.dead_list(10) == []
    assert running.error is None
    assert server.count("open") == 1


def test_errors_of_the_server_are_told_from_errors_of_the_event() -> None:
    for text in (
        "error: OOM command not allowed when used memory > 'maxmemory'.",
        "error: command not allowed when used memory > 'maxmemory'.",
        "error: READONLY You can't write against a read only replica.",
        "error: You can't write against a read only replica.",
        "error: MISCONF Redis is configured to save RDB snapshots",
    ):
        assert is_passing(text)
    for text in ("error: WRONGTYPE Operation against a key", "error: bad lane", "chain", "holder"):
        assert not is_passing(text)


def test_a_late_record_writes_the_slow_line(
    server: ScriptedGateway, own: Store, durable_server: RedisServer, start: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    start(into=own, discord={"eventQueue": {"listenerTimeout": 300}})
    ready(server, own)
    durable_server.kill()
    server.dispatch("MESSAGE_CREATE", message(1, channel=CHANNEL))
    time.sleep(1.0)
    durable_server.restart()
    eventually(lambda: depth(own) == 1)
    said: list[str] = []

    def slow() -> bool:
        said.append(capsys.readouterr().out)
        return "Slow listener detected" in "".join(said)

    eventually(slow)


class Nobody:
    """A listener that must not be told anything."""

    def restore(self, state: object) -> None:
        raise AssertionError("the store did not go back")


def test_an_event_that_cannot_be_a_key_costs_only_itself(store: Store) -> None:
    holder = AccountHolder(store, ACCOUNT)
    holder.acquire()
    store.intake.begin_session(ACCOUNT, 0, "s", "", 1, token=holder.token)
    buffer = Buffer(100)
    writer = Writer(
        store, ACCOUNT, 0, holder, buffer, Nobody(),
        confirmed=store.intake.cursor(ACCOUNT, 0), me=None, concurrency=50, budget_s=10.0,
    )  # fmt: skip
    for number in range(10):
        name = "not a name!" if number in (0, 4, 5, 9) else f"x{number}"
        record = Record(name, "MESSAGE_CREATE", b"{}")
        kept = Kept(lane=f"inbound:{ACCOUNT}:{CHANNEL}", record=record)
        buffer.put(Item("s", number + 1, number + 2, "MESSAGE_CREATE", kept=kept))
    buffer.close()
    writer.run()
    found = [one.identity for one in lane_records(store, f"inbound:{ACCOUNT}:{CHANNEL}")]
    assert found == ["x1", "x2", "x3", "x6", "x7", "x8"]
    assert len(store.lanes.dead_list(10)) == 4
    assert (writer.stored, writer.skipped) == (10, 4)
    cursor = store.intake.cursor(ACCOUNT, 0)
    assert cursor is not None
    assert cursor.seq == 11


def test_a_flood_is_told_in_numbers(
    server: ScriptedGateway, store: Store, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start()
    ready(server, store)
    server.call(lambda: [server.dispatch_now("MESSAGE_CREATE", message(number)) for number in range(400)])
    eventually(lambda: depth(store) == 400)
    said: list[str] = []

    def told() -> tuple[int, int]:
        said.append(capsys.readouterr().out)
        text = "".join(said)
        folded = sum(int(number) for number in re.findall(r"Received: (\d+) more events", text))
        return text.count("Received: message"), folded

    eventually(lambda: sum(told()) == 400)
    assert told()[1] > 0
