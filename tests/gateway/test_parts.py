"""Small parts: intents, presence, the lookup, the buffer, the account lock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from config.schema.discord import DiscordConfig
from gateway.buffer import Buffer, Item
from gateway.events import Kept
from gateway.holder import AccountHolder
from gateway.intents import choose_intents, intent_names
from gateway.lookup import FALLBACK_URL, GatewayInfo, IdentifyGate, Lookup
from gateway.presence import static_presence
from shoal.base.errors import ProcessError, TransportError
from shoal.discord.errors import ServerError, error_from
from shoal.state.store import Store

ALWAYS = {
    "GUILDS",
    "GUILD_MESSAGES",
    "GUILD_MESSAGE_REACTIONS",
    "DIRECT_MESSAGES",
    "DIRECT_MESSAGE_REACTIONS",
    "MESSAGE_CONTENT",
}


def settings(**values: Any) -> DiscordConfig:
    return DiscordConfig.model_validate(values)


@pytest.mark.parametrize(
    ("values", "extra"),
    [
        ({}, set()),
        ({"intents": {"presence": True}}, {"GUILD_PRESENCES"}),
        ({"intents": {"guildMembers": True}}, {"GUILD_MEMBERS"}),
        ({"voice": {}}, {"GUILD_VOICE_STATES"}),
        ({"voice": {"enabled": False}}, set()),
        ({"voice": {}, "intents": {"voiceStates": False}}, set()),
        ({"intents": {"voiceStates": True}}, {"GUILD_VOICE_STATES"}),
    ],
)
def test_intents(values: dict[str, Any], extra: set[str]) -> None:
    chosen = choose_intents(settings(**values))
    assert set(intent_names(chosen).split(", ")) == ALWAYS | extra


@pytest.mark.parametrize(
    ("values", "status", "activities"),
    [
        ({"status": "dnd"}, "dnd", []),
        ({"activity": "🐟 fish"}, "online", [{"name": "Custom Status", "type": 4, "state": "🐟 fish"}]),
        ({"activity": "chess", "activityType": 0}, "online", [{"name": "chess", "type": 0}]),
        (
            {"activity": "live", "activityType": 1, "activityUrl": "https://twitch.tv/x", "status": "idle"},
            "idle",
            [{"name": "live", "type": 1, "url": "https://twitch.tv/x"}],
        ),
    ],
)
def test_presence(values: dict[str, Any], status: str, activities: list[Any]) -> None:
    expected = {"since": None, "activities": activities, "status": status, "afk": False}
    assert static_presence(settings(**values)) == expected


def test_no_presence_without_configuration() -> None:
    assert static_presence(settings()) is None


class Answers:
    """``/gateway/bot`` as told."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def __call__(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


GOOD = {
    "url": "wss://x.gg",
    "shards": 3,
    "session_start_limit": {"total": 1000, "remaining": 7, "reset_after": 5000, "max_concurrency": 2},
}


def test_lookup_reads_the_limits() -> None:
    info = Lookup(Answers(GOOD), "a", "env", fallback=True).fetch()
    assert info == GatewayInfo("wss://x.gg", 3, 7, 5.0, 2)


@pytest.mark.parametrize(
    "error",
    [TransportError("no route", leg="tcp"), error_from(503, {}, b"upstream error", "GET /gateway/bot"),
     error_from(429, {}, b'{"message":"slow","retry_after":1.0}', "GET /gateway/bot")],
)  # fmt: skip
def test_a_passing_failure_falls_back_to_what_is_known(error: Exception) -> None:
    assert Lookup(Answers(error), "a", "env", fallback=True).fetch().url == FALLBACK_URL
    known = Lookup(Answers(GOOD, error), "a", "env", fallback=True)
    known.fetch()
    assert known.fetch() == GatewayInfo("wss://x.gg", fallback=True)


def test_another_server_has_no_fallback() -> None:
    error = error_from(503, {}, b"", "GET /gateway/bot")
    with pytest.raises(ServerError):
        Lookup(Answers(error), "a", "env", fallback=False).fetch()


@pytest.mark.parametrize("answer", [error_from(401, {}, b"{}", "GET /gateway/bot"),
                                    error_from(400, {}, b"{}", "GET /gateway/bot")])  # fmt: skip
def test_an_answer_that_will_not_change_ends_the_process(answer: Any) -> None:
    with pytest.raises(ProcessError) as error:
        Lookup(Answers(answer), "work", "config", fallback=True).fetch()
    assert error.value.exit_code == 78
    assert error.value.fix
    assert "work" in str(error.value)


def test_identifies_of_all_gateways_are_spaced(store: Store) -> None:
    info = GatewayInfo("x", remaining=5, max_concurrency=2)
    assert IdentifyGate(store, "a", 0).take(info) == 0.0
    assert 0.0 < IdentifyGate(store, "a", 2).take(info) <= 5.2
    assert IdentifyGate(store, "a", 1).take(info) == 0.0
    assert IdentifyGate(store, "b", 0).take(info) == 0.0
    assert IdentifyGate(store, "a", 3).take(GatewayInfo("x", remaining=0, reset_after_s=90.0)) == 90.0


def item(seq: int, *, kept: bool = False) -> Item:
    return Item("s", seq - 1, seq, "X", kept=Kept() if kept else None, size=1 if kept else 0)


def test_bare_items_melt_but_never_across_a_kept_one() -> None:
    buffer = Buffer(100)
    for seq in range(1, 11):
        buffer.put(item(seq, kept=seq == 5))
    taken = buffer.take(100, 0)
    assert [(one.follows, one.seq) for one in taken] == [(0, 4), (4, 5), (5, 10)]


def test_a_full_buffer_waits_for_room_and_never_drops() -> None:
    buffer = Buffer(3)
    done = threading.Event()

    def fill() -> None:
        for seq in range(1, 21):
            assert buffer.put(item(seq, kept=True))
        done.set()

    threading.Thread(target=fill, daemon=True).start()
    got: list[int] = []
    while len(got) < 20:
        assert len(buffer) <= 3
        got += [one.seq for one in buffer.take(2, 5.0)]
    assert got == list(range(1, 21))
    assert done.wait(5)


def test_a_buffer_limited_in_bytes() -> None:
    buffer = Buffer(100, max_bytes=10)
    buffer.put(Item("s", 0, 1, "X", kept=Kept(), size=12))
    assert buffer.full()
    buffer.take(1, 0)
    assert not buffer.full()


def test_drop_wakes_a_waiting_reader_and_refuses_until_reopened() -> None:
    buffer = Buffer(1)
    buffer.put(item(1, kept=True))
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(buffer.put(item(2, kept=True))))
    waiting.start()
    time.sleep(0.05)
    assert buffer.drop() == 1
    waiting.join(5)
    assert answers == [False]
    assert buffer.put(item(3)) is False
    buffer.reopen()
    assert buffer.put(item(2, kept=True))


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_at_once(store: Store) -> None:
    mine = AccountHolder(store, "a")
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    parts = mine.token.split(":")
    gone = ":".join([*parts[:2], dead.stdout.decode().strip(), "0" * 32])
    assert store.intake.holder_acquire("a", gone, 60_000)
    begun = time.monotonic()
    mine.acquire(wait_s=5.0)
    assert time.monotonic() - begun < 2.0
    assert store.intake.holder("a") == mine.token


@pytest.mark.parametrize("host", ["other-host", None])
def test_the_lock_of_a_living_holder_is_respected(store: Store, host: str | None) -> None:
    mine = AccountHolder(store, "a")
    parts = mine.token.split(":")
    living = ":".join([host or parts[0], parts[1], str(os.getppid() if host is None else 1), "0" * 32])
    store.intake.holder_acquire("a", living, 60_000)
    with pytest.raises(ProcessError) as error:
        mine.acquire(wait_s=0.3)
    assert error.value.exit_code == 75
    assert (host or parts[0]) in str(error.value)
    mine.acquire(force=True, wait_s=0.3)
    assert store.intake.holder("a") == mine.token
    mine.release()
    assert store.intake.holder("a") is None


def test_a_lock_that_ran_out_is_taken_again_but_never_stolen(store: Store) -> None:
    mine = AccountHolder(store, "a")
    mine.acquire()
    store.redis.delete(store.keys.holder("a"))
    assert mine.reacquire()
    store.redis.delete(store.keys.holder("a"))
    store.intake.holder_acquire("a", "somebody", 60_000)
    assert not mine.reacquire()


def test_the_gateway_imports_neither_workers_nor_tasks_nor_celery() -> None:
    code = "import gateway.listener, sys; print([m for m in sys.modules if m.split('.')[0] in {words}])"
    words = "{'celery', 'kombu', 'tasks', 'workers', 'billiard'}"
    run = [sys.executable, "-c", code.replace("{words}", words)]
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(run, capture_output=True, check=True, cwd=root)
    assert found.stdout.decode().strip() == "[]"
