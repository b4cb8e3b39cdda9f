"""Twenty thousand malformed payloads: no crash, no hang, each poison among the dead once."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.actions import Dispatch
from gateway.buffer import Buffer, Item, sort
from gateway.decode import BadFrame, decode_frame
from gateway.events import Origin
from gateway.holder import AccountHolder
from gateway.intake import Writer
from gateway.session import Phase, Session, SessionState, Shard
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT

PAYLOADS = 20_000
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "discord"
REFERENCE = Path(os.environ.get("SHOAL_DISCORD_REFERENCE", BESIDE))
JUNK: list[Any] = [
    None, True, -1, 0, 1 << 70, 1.5e308, "", "x", "\x00", "\ud83d", "9" * 25, "a" * 300, [], {}, [[]],
    {"id": {}}, [None], {"": ""}, "0", "-5", " 1", "１２３", ["1"], {"id": "1"},
]  # fmt: skip
EVENTS = [
    "MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE", "INTERACTION_CREATE", "GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE",
    "CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "GUILD_ROLE_CREATE", "GUILD_ROLE_DELETE",
    "THREAD_CREATE", "THREAD_UPDATE", "THREAD_LIST_SYNC", "THREAD_DELETE", "GUILD_MEMBER_UPDATE",
    "USER_UPDATE", "TYPING_START", "READY", "RESUMED", "", "NO_SUCH_EVENT",
]  # fmt: skip


def recordings() -> list[tuple[str, Any]]:
    """(event, payload) of every real recording."""
    loaded = json.loads((REFERENCE / "recorded" / "replay-2026-01.json").read_text("utf-8"))
    found = []
    for name, value in loaded.items():
        if isinstance(value, dict) and str(value.get("type", "")).startswith("GATEWAY_"):
            found.append((value["type"].removeprefix("GATEWAY_"), value["data"]))
        elif name != "metadata":
            found.append(("INTERACTION_CREATE", value))
    return found


def spoil(value: Any, rng: random.Random, depth: int = 0) -> Any:
    """The value with something in it that should not be there, or without something that should."""
    if depth > 6 or rng.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return rng.choice(JUNK)
    if isinstance(value, dict):
        key = rng.choice(sorted(value))
        spoiled = dict(value)
        if rng.random() < 0.3:
            del spoiled[key]
        else:
            spoiled[key] = spoil(value[key], rng, depth + 1)
        return spoiled
    index = rng.randrange(len(value))
    return [*value[:index], spoil(value[index], rng, depth + 1), *value[index + 1 :]]


def payload(recorded: list[tuple[str, Any]], seq: int, rng: random.Random) -> bytes:
    """A frame that is wrong somewhere: in its values, its event, its envelope or its very bytes."""
    event, data = rng.choice(recorded)
    if rng.random() < 0.5:
        event = rng.choice(EVENTS)
    for _ in range(rng.randrange(1, 4)):
        data = spoil(data, rng)
    frame: dict[str, Any] = {"t": event, "s": seq, "op": 0, "d": data}
    if rng.random() < 0.1:
        frame[rng.choice(["t", "op", "d", "s"])] = rng.choice(JUNK)
    raw = bytearray(json.dumps(frame).encode())
    way = rng.random()
    if way < 0.15:
        for _ in range(rng.randrange(1, 5)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
    elif way < 0.2:
        del raw[rng.randrange(len(raw)) :]
    elif way < 0.22:
        raw = bytearray(b"[" * 100_000 + raw)
    return bytes(raw)


class NoListener:
    """Nothing may go back here."""

    def restore(self, state: SessionState | None) -> None:
        raise AssertionError("the store went back")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_thousand_malformed_payloads(store: Store) -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    holder = AccountHolder(store, ACCOUNT)
    holder.acquire()
    store.redis.set(store.keys.holder(ACCOUNT), holder.token, px=600_000)
    confirmed = store.intake.begin_session(ACCOUNT, 0, "session1", "wss://resume", 1, token=holder.token)
    buffer = Buffer(500)
    writer = Writer(store, ACCOUNT, 0, holder, buffer, NoListener(), confirmed=confirmed, me="1",
                    concurrency=50, budget_s=30.0)  # fmt: skip
    errors: list[BaseException] = []

    def write() -> None:
        try:
            writer.run()
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    machine = Session(Shard(SecretStr("token"), 0), SessionState("session1", "wss://resume", 1))
    machine.phase = Phase.LIVE
    recorded = recordings()
    assert recorded
    kept = dropped = 0
    last = 1
    begun = time.monotonic()
    for number in range(PAYLOADS):
        # a session that a mutation ended (op 9, a READY) goes on: the payloads are the point here
        if machine.state is None or machine.state.session_id != "session1" or machine.phase is not Phase.LIVE:
            machine.phase, machine.state = Phase.LIVE, SessionState("session1", "wss://resume", last)
        last = machine.state.seq
        frame = decode_frame(payload(recorded, last + 1, rng))
        spoken = (
            machine.bad_frame(frame) if isinstance(frame, BadFrame) else machine.frame(frame, float(number))
        )
        found = [action for action in spoken if isinstance(action, Dispatch)]
        dropped += not found
        for action in found:
            item = Item("session1", action.follows, action.seq, received=time.monotonic())
            if isinstance(action.frame, BadFrame):
                item.event, item.bad, item.payload = "?", action.frame.reason, action.frame.payload
            else:
                sort(item, action.frame, Origin(ACCOUNT, 0, "session1", action.seq, "1", 0))
            kept += 1
            assert buffer.put(item), "the writer has ended"
    buffer.close()
    thread.join(120)
    assert not thread.is_alive(), "the writer hangs"
    assert errors == []
    assert machine.state is not None
    cursor = store.intake.cursor(ACCOUNT, 0)
    assert cursor is not None
    dead = store.lanes.dead_list(20_000)
    sys.stdout.write(
        f"seed {seed}: {PAYLOADS} payloads in {time.monotonic() - begun:.1f} s, {kept} dispatches, "
        f"{dropped} none, {writer.skipped} poison, {len(dead)} among the dead\n"
    )
    assert writer.skipped > 500
    assert len(dead) == min(writer.skipped, 10_000)
    names = [record.record.identity for record in dead]
    assert len(set(names)) == len(names)
    assert {record.source for record in dead} == {"intake"}
