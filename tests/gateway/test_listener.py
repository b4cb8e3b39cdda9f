"""A running gateway against a scripted Discord and a real Redis."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import msgspec
import pytest

from gateway.closing import GatewayStopped
from gateway.compression import Compression
from shoal.base.errors import ProcessError
from shoal.state.ledger import Outcome
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT, TOKEN, Start, depth, eventually, inbound
from tests.gateway.support.server import BOT_ID, CHANNEL, GUILD, ScriptedGateway, message

pytestmark = pytest.mark.waits


def ids(store: Store) -> list[str]:
    return [msgspec.json.decode(event.data)["id"] for event in inbound(store)]


def at(store: Store) -> tuple[str, int]:
    """The stored cursor."""
    cursor = store.intake.cursor(ACCOUNT, 0)
    return (cursor.session_id, cursor.seq) if cursor else ("", -1)


def ready(server: ScriptedGateway, store: Store) -> None:
    """Wait until a session has begun and its cursor is stored."""
    server.wait_frames(2)
    eventually(lambda: store.intake.cursor(ACCOUNT, 0))


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream", "none"])
def test_a_message_reaches_its_lane(
    server: ScriptedGateway, store: Store, start: Start, compression: Compression
) -> None:
    server.script.split = True
    start(compression=compression)
    ready(server, store)
    sent = message(1)
    server.dispatch("MESSAGE_CREATE", sent)
    eventually(lambda: depth(store))
    [event] = inbound(store)
    assert (event.account, event.shard, event.event) == (ACCOUNT, 0, "MESSAGE_CREATE")
    assert msgspec.json.decode(event.data) == sent
    cursor = store.intake.cursor(ACCOUNT, 0)
    assert cursor is not None
    assert (cursor.session_id, cursor.seq, cursor.resume_url) == ("session0001", 2, server.resume_url)
    assert store.facts.me(ACCOUNT)["id"] == BOT_ID  # type: ignore[index]
    assert store.intake.newest(ACCOUNT) == {CHANNEL: sent["id"]}
    query = next(what["query"] for kind, what in server.notes if kind == "open")
    assert "v=10" in query
    assert "encoding=json" in query
    assert ("compress" in query) is (compression != "none")


def test_identify_is_what_the_config_says(server: ScriptedGateway, store: Store, start: Start) -> None:
    start(discord={"intents": {"guildMembers": True}})
    [identify] = server.wait_frames(2)
    assert identify["token"] == TOKEN
    assert identify["intents"] & (1 << 1)
    assert not identify["intents"] & (1 << 8)
    assert next(what["auth"] for kind, what in server.notes if kind == "bot") == f"Bot {TOKEN}"


@pytest.mark.parametrize("how", ["cut", "op7", 1000, 1001, 4000, 4001, 4002, 4008])
def test_a_lost_connection_is_resumed_and_nothing_is_missed(
    server: ScriptedGateway, store: Store, start: Start, how: Any
) -> None:
    start()
    ready(server, store)
    first = message(1)
    server.dispatch("MESSAGE_CREATE", first)
    if how == "cut":
        server.cut()
    elif how == "op7":
        server.raw(json.dumps({"op": 7, "d": None}))
    else:
        server.close(how)
    server.wait(lambda: not server.sockets or server.count("close") > 0)
    second = message(2)
    server.dispatch("MESSAGE_CREATE", second)
    [resume] = server.wait_frames(6)
    assert resume["session_id"] == "session0001"
    eventually(lambda: depth(store) == 2)
    assert ids(store) == [first["id"], second["id"]]
    assert server.count("frame", 2) == 1


@pytest.mark.slow
def test_an_address_that_is_not_the_servers_is_never_dialled(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    """Decision 55: resume addresses are taken as long as they stay on the server's origin."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.1)
        server.script.resume_url = f"ws://127.0.0.1:{elsewhere.getsockname()[1]}/"
        start()
        ready(server, store)
        server.cut()
        server.wait_frames(6)  # resumed at the general address instead
        with pytest.raises(TimeoutError):
            elsewhere.accept()


@pytest.mark.parametrize("code", [4003, 4005, 4007, 4009])
def test_a_lost_session_is_begun_anew(server: ScriptedGateway, store: Store, start: Start, code: int) -> None:
    start()
    ready(server, store)
    server.close(code)
    server.wait_frames(2, 2)
    assert server.count("frame", 6) == 0
    eventually(lambda: at(store) == ("session0002", 1))
    server.dispatch("MESSAGE_CREATE", message(1))
    eventually(lambda: depth(store) == 1)


def test_op9_while_resuming_identifies_after_a_pause(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    start()
    ready(server, store)
    server.script.refuse_resume = False
    begun = time.monotonic()
    server.cut()
    server.wait_frames(2, 2)
    assert time.monotonic() - begun >= 1.0
    server.dispatch("MESSAGE_CREATE", message(1))
    eventually(lambda: depth(store) == 1)


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013, 4014])
def test_fatal_close_codes_end_the_process_with_a_word(
    server: ScriptedGateway, store: Store, start: Start, code: int
) -> None:
    server.script.close_on_identify = code
    error = start().wait_end()
    assert isinstance(error, GatewayStopped)
    assert (error.close_code, error.exit_code) == (code, 78)
    assert server.count("frame", 2) == 1
    assert store.intake.holder(ACCOUNT) is None


def test_a_missing_ack_is_a_dead_connection(server: ScriptedGateway, store: Store, start: Start) -> None:
    server.script.interval_ms = 300
    start()
    ready(server, store)
    server.wait_frames(1, 3)
    assert server.count("frame", 6) == 0
    server.script.ack = False
    server.wait_frames(6)
    close = next(what for kind, what in server.notes if kind == "close")
    assert close["code"] not in (1000, 1001)
    server.script.ack = True
    server.dispatch("MESSAGE_CREATE", message(1))
    eventually(lambda: depth(store) == 1)


def test_garbage_costs_only_itself(server: ScriptedGateway, store: Store, start: Start) -> None:
    start()
    ready(server, store)
    server.raw("{not json")
    server.raw("[]")
    server.raw('{"op": "x"}')
    server.raw("\udcff\udcfe")
    server.raw('{"op":0,"s":2,"t":"MESSAGE_CREATE","d":{"id":}}', counts=True)
    server.dispatch("MESSAGE_CREATE", {"id": [1], "channel_id": None})
    server.dispatch("INTERACTION_CREATE", {"id": "5"})
    server.dispatch("GUILD_CREATE", {"id": {"no": 1}, "roles": 5, "channels": "x"})
    server.dispatch("CHANNEL_CREATE", [1, 2])
    good = message(7)
    server.dispatch("MESSAGE_CREATE", good)
    eventually(lambda: depth(store) == 1)
    assert ids(store) == [good["id"]]
    assert server.count("open") == 1
    assert len(store.lanes.dead_list(20)) == 5


def test_own_messages_are_settled_and_never_admitted(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    start()
    ready(server, store)
    own = message(1, author=BOT_ID, nonce="Ab3xYz")
    server.dispatch("MESSAGE_CREATE", own)
    server.dispatch("MESSAGE_UPDATE", {**own, "edited_timestamp": "2026-01-05T00:49:53.676000+00:00"})
    server.dispatch("MESSAGE_REACTION_ADD", {"user_id": BOT_ID, "channel_id": CHANNEL,
                                             "message_id": own["id"], "emoji": {"name": "👀"}})  # fmt: skip
    assert eventually(lambda: store.receipts.echoed(ACCOUNT, "Ab3xYz")) == (CHANNEL, own["id"])
    explained = store.ledger.explain(ACCOUNT, own["id"])
    assert explained is not None
    assert (explained.outcome, explained.reason) == (Outcome.DROPPED, "own-message")
    eventually(lambda: at(store) == ("session0001", 4))
    assert depth(store) == 0


def test_a_replay_after_a_lost_cursor_is_told_apart(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    """The same dispatches come again under old sequence numbers: records once, cursor forward."""
    first = start()
    ready(server, store)
    for number in range(5):
        server.dispatch("MESSAGE_CREATE", message(number))
    eventually(lambda: depth(store) == 5)
    first.stop()
    store.redis.hset(store.keys.cursor(ACCOUNT, 0), "seq", 1)
    start()
    server.wait_frames(6)
    last = message(9)
    server.dispatch("MESSAGE_CREATE", last)
    eventually(lambda: depth(store) == 6)
    assert ids(store)[-1] == last["id"]


def test_events_of_many_kinds(server: ScriptedGateway, store: Store, start: Start) -> None:
    start()
    ready(server, store)
    one = message(1)
    edit = {**one, "content": "new", "edited_timestamp": "2026-01-05T00:49:53.676000+00:00"}
    server.dispatch("MESSAGE_CREATE", one)
    server.dispatch("MESSAGE_UPDATE", {**one, "embeds": [{}]})
    server.dispatch("MESSAGE_UPDATE", edit)
    server.dispatch("TYPING_START", {"channel_id": CHANNEL})
    reaction = {"user_id": "5", "channel_id": CHANNEL, "message_id": one["id"], "emoji": {"name": "👀"}}
    server.dispatch("MESSAGE_REACTION_ADD", reaction)
    server.dispatch("MESSAGE_REACTION_REMOVE", reaction)
    server.dispatch("MESSAGE_DELETE", {"id": one["id"], "channel_id": CHANNEL})
    server.dispatch("SOME_NEW_EVENT", {"x": 1})
    eventually(lambda: at(store) == ("session0001", 9))
    assert [event.event for event in inbound(store)] == [
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE",
        "MESSAGE_DELETE",
    ]


def test_presence_is_sent_on_ready_only_if_configured(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    running = start(discord={"activity": "🐟 reading", "status": "idle"})
    [presence] = server.wait_frames(3)
    assert presence == {
        "since": None,
        "activities": [{"name": "Custom Status", "type": 4, "state": "🐟 reading"}],
        "status": "idle",
        "afk": False,
    }
    server.cut()
    server.wait_frames(6)
    eventually(lambda: running.gateway.shard.live)
    assert server.count("frame", 3) == 1


def test_nothing_configured_sends_no_presence(server: ScriptedGateway, store: Store, start: Start) -> None:
    server.script.interval_ms = 100
    start()
    ready(server, store)
    server.wait_frames(1, 3)
    assert server.count("frame", 3) == 0


def test_commands_of_workers_are_sent(server: ScriptedGateway, store: Store, start: Start) -> None:
    start()
    ready(server, store)
    store.intake.command(ACCOUNT, b'{"op":2,"d":{}}')
    store.intake.command(ACCOUNT, b"garbage")
    store.intake.command(ACCOUNT, b'{"op":3,"d":{"x":"' + b"y" * 5000 + b'"}}')
    state = {"guild_id": GUILD, "channel_id": None, "self_mute": False, "self_deaf": False}
    store.intake.command(ACCOUNT, json.dumps({"op": 4, "d": state}).encode())
    assert server.wait_frames(4) == [state]
    assert server.count("frame", 2) == 1
    assert server.count("frame", 3) == 0


def test_facts_are_there_before_the_message(server: ScriptedGateway, store: Store, start: Start) -> None:
    guild = {
        "id": GUILD, "name": "G", "owner_id": "1", "unavailable": False, "emojis": [{"id": "1"}],
        "roles": [{"id": GUILD, "name": "@everyone", "permissions": "1024"}],
        "channels": [{"id": CHANNEL, "type": 0, "name": "general", "permission_overwrites": []}],
        "threads": [{"id": "77", "type": 11, "parent_id": CHANNEL, "thread_metadata": {"archived": False}}],
        "members": [{"user": {"id": BOT_ID}, "roles": ["12"], "nick": None}],
    }  # fmt: skip
    server.on_ready = [("GUILD_CREATE", guild), ("MESSAGE_CREATE", message(1))]
    start()
    eventually(lambda: depth(store) == 1)
    assert store.facts.channel(ACCOUNT, CHANNEL)["guild_id"] == GUILD  # type: ignore[index]
    assert "emojis" not in store.facts.guild(ACCOUNT, GUILD)  # type: ignore[operator]
    assert store.facts.get(ACCOUNT, "member", GUILD) == {"roles": ["12"]}
    server.dispatch("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": {"id": "12", "name": "mod"}})
    server.dispatch("THREAD_LIST_SYNC", {"guild_id": GUILD, "threads": []})
    server.dispatch("CHANNEL_UPDATE", {"id": CHANNEL, "guild_id": GUILD, "type": 0, "name": "renamed"})
    eventually(lambda: store.facts.channel(ACCOUNT, CHANNEL)["name"] == "renamed")  # type: ignore[index]
    assert len(store.facts.roles(ACCOUNT, GUILD)) == 2
    assert store.facts.channel(ACCOUNT, "77") is None
    server.dispatch("GUILD_DELETE", {"id": GUILD, "unavailable": True})
    server.dispatch("GUILD_DELETE", {"id": GUILD})
    eventually(lambda: store.facts.guild(ACCOUNT, GUILD) is None)
    assert store.facts.channel(ACCOUNT, CHANNEL) is None


def test_a_refused_token_at_the_lookup_is_said_clearly(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    server.script.bot_status, server.script.bot_body = 401, {"code": 0, "message": "401: Unauthorized"}
    error = start().wait_end()
    assert isinstance(error, ProcessError)
    assert error.exit_code == 78
    for word in (ACCOUNT, "env", "Reset Token"):
        assert word in str(error)
    assert server.count("open") == 0


def test_a_lookup_that_fails_for_now_is_asked_again(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    server.script.bot_status, server.script.bot_body = 503, {"message": "later"}
    start()
    server.wait(lambda: server.count("bot") >= 3)
    server.script.bot_status, server.script.bot_body = 200, None
    ready(server, store)


def test_no_identify_without_one_left_today(server: ScriptedGateway, store: Store, start: Start) -> None:
    server.script.remaining = 0
    running = start()
    server.wait(lambda: server.count("open") == 1)
    time.sleep(0.5)
    assert server.count("frame", 2) == 0
    running.stop()


def test_the_second_gateway_is_refused_and_force_takes_over(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    first = start()
    ready(server, store)
    with pytest.raises(ProcessError) as refused:
        start(wait_s=0.5)
    assert refused.value.exit_code == 75
    assert "--force" in str(refused.value)
    second = start(force=True)
    server.wait_frames(6)
    error = first.wait_end()
    assert isinstance(error, ProcessError)
    assert error.exit_code == 75
    server.dispatch("MESSAGE_CREATE", message(1))
    eventually(lambda: depth(store) == 1)
    assert second.error is None
    assert server.count("frame", 2) == 1


def test_the_registry_says_how_the_gateway_is(server: ScriptedGateway, store: Store, start: Start) -> None:
    running = start()
    ready(server, store)
    running.gateway.announce()
    [process] = store.processes.living()
    assert process.kind == "gateway"
    assert process.info["account"] == ACCOUNT
    assert process.info["connected"] is True
    assert process.info["starts_left"] == server.script.remaining + 1, "as Discord said before this IDENTIFY"
    assert TOKEN not in json.dumps(process.info)
