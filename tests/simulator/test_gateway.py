"""The gateway as a raw websocket client sees it."""

from __future__ import annotations

import time

import pytest
import requests
import websocket

from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest
from tests.simulator.wire import ALL_INTENTS, Closed, Wire

MESSAGE_CONTENT = 1 << 15


@pytest.mark.parametrize("compress", ["", "zlib-stream", "zstd-stream"])
def test_events_in_each_encoding(simulator: Simulator, compress: str) -> None:
    with Wire(simulator, compress=compress) as wire:
        ready = wire.seen[0]["d"]
        assert ready["user"]["id"] == simulator.bot_id
        assert ready["guilds"] == [{"id": simulator.guild_id, "unavailable": True}]
        assert ready["resume_gateway_url"] == simulator.gateway_url
        guild = wire.wait("GUILD_CREATE")["d"]
        assert [c["name"] for c in guild["channels"]] == ["general"]
        assert {m["user"]["id"] for m in guild["members"]} == {simulator.user_id, simulator.bot_id}
        for number in range(20):
            simulator.control.say("general", f"message {number} {'x' * 500}")
        texts = [wire.wait("MESSAGE_CREATE")["d"]["content"] for _ in range(20)]
        assert [t.split()[1] for t in texts] == [str(n) for n in range(20)]
        assert [f["s"] for f in wire.seen] == list(range(1, len(wire.seen) + 1))
        if compress:
            assert sum(packed for packed, _ in wire.sizes) < sum(plain for _, plain in wire.sizes) / 3


def test_heartbeats_are_acknowledged_and_silence_is_cut(simulator: Simulator) -> None:
    simulator.control.configure(heartbeat_interval_ms=400)
    with Wire(simulator) as wire:
        assert wire.hello["d"]["heartbeat_interval"] == 400
        wire.send(1, wire.seq)
        assert wire.op(11)["d"] is None
        assert wire.close_code() == 4009


@pytest.mark.parametrize("compress", ["", "zlib-stream", "zstd-stream"])
def test_resume_replays_what_was_missed_in_order(simulator: Simulator, compress: str) -> None:
    first = Wire(simulator, compress=compress)
    first.wait("GUILD_CREATE")
    simulator.control.say("general", "seen")
    first.wait("MESSAGE_CREATE")
    first.cut()
    for number in range(5):
        simulator.control.say("general", f"missed {number}")
    with Wire(simulator, compress=compress, resume=first) as second:
        got = [second.wait("MESSAGE_CREATE") for _ in range(5)]
        assert [f["d"]["content"] for f in got] == [f"missed {n}" for n in range(5)]
        assert [f["s"] for f in got] == list(range((first.seq or 0) + 1, (first.seq or 0) + 6))
        second.wait("RESUMED")
        simulator.control.say("general", "live")
        assert second.wait("MESSAGE_CREATE")["d"]["content"] == "live"
    assert simulator.control.sessions()[0]["resumes"] == 1


def test_replaying_twice_gives_the_same_events(simulator: Simulator) -> None:
    first = Wire(simulator)
    first.cut()
    first.seq = 1
    simulator.control.say("general", "missed")
    for _ in range(2):
        again = Wire(simulator, resume=first)
        assert again.wait("MESSAGE_CREATE")["d"]["content"] == "missed"
        again.cut()


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_normal_close_ends_the_session(simulator: Simulator, code: int) -> None:
    first = Wire(simulator)
    first.leave(code)
    with Wire(simulator, resume=first) as second:
        assert second.op(9)["d"] is False


def test_another_close_keeps_the_session_for_a_while(simulator: Simulator) -> None:
    first = Wire(simulator)
    first.leave(4000)
    with Wire(simulator, resume=first) as second:
        second.wait("RESUMED")
        second.leave(4000)
    simulator.control.configure(resume_window_s=0)
    time.sleep(0.05)
    with Wire(simulator, resume=first) as third:
        assert third.op(9)["d"] is False


def test_wrong_resumes(simulator: Simulator) -> None:
    first = Wire(simulator)
    first.cut()
    first.seq = 10_000
    with Wire(simulator, resume=first) as wire:
        assert wire.close_code() == 4007
    first.seq, first.session_id = 1, "nonsense"
    with Wire(simulator, resume=first) as wire:
        assert wire.op(9)["d"] is False
    simulator.control.configure(replay_events=2)
    early = Wire(simulator)
    for number in range(5):
        simulator.control.say("general", str(number))
    early.cut()
    early.seq = 1
    with Wire(simulator, resume=early) as wire:
        assert wire.op(9)["d"] is False


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"token": "bad.token.x"}, 4004),
        ({"intents": 1 << 40}, 4013),
        ({"intents": None}, 4013),
        ({"shard": [2, 2]}, 4010),
        ({"token": None}, 4002),
    ],
)
def test_wrong_identifies(simulator: Simulator, data: dict[str, object], code: int) -> None:
    with Wire(simulator, identify=False) as wire:
        wire.receive()
        wire.send(2, {"token": simulator.token, "intents": 1, "properties": {}, **data})
        assert wire.close_code() == code


def test_disallowed_intents(simulator: Simulator) -> None:
    strict = simulator.control.add_bot("strict", guilds=["Shoal Demo"], disallowed_intents=MESSAGE_CONTENT)
    with Wire(simulator, identify=False) as wire:
        wire.receive()
        wire.send(2, {"token": strict["token"], "intents": ALL_INTENTS, "properties": {}})
        assert wire.close_code() == 4014
    with Wire(simulator, token=strict["token"], intents=ALL_INTENTS & ~MESSAGE_CONTENT) as wire:
        assert wire.seen[0]["d"]["user"]["id"] == strict["id"]


def test_protocol_mistakes(simulator: Simulator) -> None:
    cases = {"not json": 4002, '{"op": 3, "d": {}}': 4003, '{"op": 2, "d": 7}': 4002}
    for text, code in cases.items():
        with Wire(simulator, identify=False) as wire:
            wire.receive()
            wire.socket.send(text)
            assert wire.close_code() == code, text
    with Wire(simulator) as wire:
        wire.send(99, {})
        assert wire.close_code() == 4001
    with Wire(simulator) as wire:
        wire.send(2, {"token": simulator.token, "intents": 1, "properties": {}})
        assert wire.close_code() == 4005
    with Wire(simulator) as wire:
        wire.send(3, {"status": "x" * 5000})
        assert wire.close_code() == 4002
    with Wire(simulator, identify=False, version=6) as wire:
        assert wire.close_code() == 4012


def test_too_many_frames(simulator: Simulator) -> None:
    simulator.control.configure(command_limit=10)
    with Wire(simulator) as wire:
        for _ in range(10):
            wire.send(1, wire.seq)
        assert wire.close_code() == 4008


def test_intents_choose_events_and_content(simulator: Simulator, rest: Rest) -> None:
    guilds_and_messages = 1 | 1 << 9
    with Wire(simulator, intents=guilds_and_messages) as wire:
        wire.wait("GUILD_CREATE")
        said = simulator.control.say("general", "secret", files=[("a.txt", b"a")])
        hidden = wire.wait("MESSAGE_CREATE")["d"]
        assert hidden["content"] == ""
        assert hidden["attachments"] == []
        simulator.control.say("general", f"<@{simulator.bot_id}> open")
        assert wire.wait("MESSAGE_CREATE")["d"]["content"].endswith("open")
        rest("POST", f"/channels/{simulator.channel_id}/messages", {"content": "own"})
        assert wire.wait("MESSAGE_CREATE")["d"]["content"] == "own"
        simulator.control.react("general", said["id"], "👍")
        simulator.control.typing("general")
        simulator.control.dm("private")
        simulator.control.say("general", "last")
        wire.wait("MESSAGE_CREATE")
        assert {f["t"] for f in wire.seen} == {"READY", "GUILD_CREATE", "MESSAGE_CREATE"}


def test_direct_messages_have_no_guild_and_shard_zero_gets_them(simulator: Simulator) -> None:
    number = (int(simulator.guild_id) >> 22) % 2
    zero, one = Wire(simulator, shard=[0, 2]), Wire(simulator, shard=[1, 2])
    with zero, one:
        holder = (zero, one)[number]
        assert [g["id"] for g in holder.seen[0]["d"]["guilds"]] == [simulator.guild_id]
        assert (zero, one)[1 - number].seen[0]["d"]["guilds"] == []
        simulator.control.dm("psst")
        got = zero.wait("MESSAGE_CREATE")["d"]
        assert got["channel_type"] == 1
        assert "guild_id" not in got
        simulator.control.gateway("close", code=4000)
        assert one.close_code() == 4000
        assert "MESSAGE_CREATE" not in {f["t"] for f in one.seen}


def test_hidden_channels_send_nothing(simulator: Simulator) -> None:
    deny = [{"id": simulator.guild_id, "type": 0, "allow": "0", "deny": str(1 << 10)}]
    simulator.control.add_channel("Shoal Demo", "hidden", overwrites=deny)
    with Wire(simulator) as wire:
        wire.wait("GUILD_CREATE")
        simulator.control.say("hidden", "no")
        simulator.control.say("general", "yes")
        assert wire.wait("MESSAGE_CREATE")["d"]["content"] == "yes"


def test_members_can_be_asked_for(simulator: Simulator) -> None:
    simulator.control.add_user("bob", guilds=["Shoal Demo"])
    with Wire(simulator) as wire:
        wire.send(8, {"guild_id": simulator.guild_id, "query": "", "limit": 0, "nonce": "n"})
        chunk = wire.wait("GUILD_MEMBERS_CHUNK")["d"]
        assert len(chunk["members"]) == 3
        assert (chunk["nonce"], chunk["chunk_index"], chunk["chunk_count"]) == ("n", 0, 1)
        wire.send(8, {"guild_id": simulator.guild_id, "query": "", "limit": 0})
        assert wire.wait("RATE_LIMITED")["d"]["opcode"] == 8
        wire.send(8, {"guild_id": simulator.guild_id, "query": "bo", "limit": 5})
        assert [m["user"]["username"] for m in wire.wait("GUILD_MEMBERS_CHUNK")["d"]["members"]] == ["bob"]
        wire.send(8, {"guild_id": simulator.guild_id, "user_ids": ["1"], "limit": 0})
        assert wire.wait("GUILD_MEMBERS_CHUNK")["d"]["not_found"] == ["1"]


def test_identify_window_and_day_limit(simulator: Simulator, rest: Rest) -> None:
    simulator.control.configure(identify_window_s=30)
    with Wire(simulator), Wire(simulator, identify=False) as second:
        second.receive()
        second.send(2, {"token": simulator.token, "intents": 1, "properties": {}})
        assert second.op(9)["d"] is False
    limit = rest("GET", "/gateway/bot").json()["session_start_limit"]
    assert limit["remaining"] == limit["total"] - 1
    assert limit["max_concurrency"] == 1


def test_guild_outage_and_removal(simulator: Simulator) -> None:
    with Wire(simulator) as wire:
        simulator.control.delete_guild("Shoal Demo", unavailable=True)
        assert wire.wait("GUILD_DELETE")["d"] == {"id": simulator.guild_id, "unavailable": True}
        simulator.control.restore_guild("Shoal Demo")
        assert wire.wait("GUILD_CREATE")["d"]["id"] == simulator.guild_id
        simulator.control.delete_guild("Shoal Demo")
        assert wire.wait("GUILD_DELETE")["d"] == {"id": simulator.guild_id}


# -- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [4000, 4004, 4009, 4011, 4014, 1000])
def test_close_codes_on_demand(simulator: Simulator, code: int) -> None:
    with Wire(simulator) as wire:
        simulator.control.gateway("close", code=code)
        assert wire.close_code() == code


def test_faults_of_the_connection(simulator: Simulator) -> None:
    control = simulator.control
    control.fault("gateway_refuse", status=503)
    with pytest.raises(websocket.WebSocketBadStatusException):
        Wire(simulator)
    control.fault("gateway_reconnect", at="connect")
    with Wire(simulator, identify=False) as wire:
        assert wire.receive()["op"] == 7
    control.fault("gateway_invalid_session", at="identify", resumable=False)
    with Wire(simulator, identify=False) as wire:
        wire.receive()
        wire.send(2, {"token": simulator.token, "intents": 1, "properties": {}})
        assert wire.receive()["d"] is False
    with Wire(simulator) as wire:
        control.gateway("reconnect")
        assert wire.op(7)["d"] is None
        control.fault("gateway_cut", event="MESSAGE_CREATE")
        control.say("general", "x")
        wire.wait("MESSAGE_CREATE")
        assert wire.close_code() is None
    assert control.faults() == []


def test_no_ack_then_ack(simulator: Simulator) -> None:
    with Wire(simulator) as wire:
        simulator.control.fault("gateway_no_ack", count=2)
        wire.wait("GUILD_CREATE")
        for _ in range(3):
            wire.send(1, wire.seq)
        assert wire.receive()["op"] == 11
        with pytest.raises(websocket.WebSocketTimeoutException):
            wire.receive(0.2)


def test_events_dropped_doubled_delayed(simulator: Simulator) -> None:
    control = simulator.control
    with Wire(simulator) as wire:
        control.fault("gateway_drop_event", event="MESSAGE_CREATE")
        control.say("general", "dropped")
        control.fault("gateway_drop_event", event="MESSAGE_CREATE", contains="secret")
        control.fault("gateway_duplicate_event", event="MESSAGE_CREATE")
        control.say("general", "twice")
        one, two = wire.wait("MESSAGE_CREATE"), wire.wait("MESSAGE_CREATE")
        assert one["d"] == two["d"]
        assert two["s"] == one["s"] + 1
        control.say("general", "a secret")
        control.say("general", "none")
        assert wire.wait("MESSAGE_CREATE")["d"]["content"] == "none"
        control.fault("gateway_delay_event", event="MESSAGE_CREATE", seconds=0.3)
        control.say("general", "late")
        control.say("general", "later")
        assert [wire.wait("MESSAGE_CREATE")["d"]["content"] for _ in range(2)] == ["late", "later"]


def test_a_half_open_connection(simulator: Simulator) -> None:
    with Wire(simulator) as wire:
        wire.wait("GUILD_CREATE")
        simulator.control.gateway("stall", seconds=0.5)
        wire.send(1, wire.seq)
        simulator.control.say("general", "unheard")
        with pytest.raises(Closed):
            wire.receive(5)
        with Wire(simulator, resume=wire) as second:
            assert second.wait("MESSAGE_CREATE")["d"]["content"] == "unheard"


def test_only_one_source_address_is_let_in(tmp_path: object) -> None:
    with Simulator(only_from="127.0.0.9") as simulator, pytest.raises(requests.ConnectionError):
        requests.get(simulator.api_url + "/gateway", timeout=5, proxies={"http": ""})
    assert simulator.core.log.select("refused")[0]["source"] == "127.0.0.1"
