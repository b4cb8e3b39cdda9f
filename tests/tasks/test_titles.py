"""``thread.title``: a thread gets its title by a plain task (``spec/inbound.md`` 5.7.7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import config
from shoal.discord.threads import thread_on_message
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from tasks.app import QUEUE_PREFIX
from tasks.runtime import Runtime, open_runtime
from tasks.stopping import Stopping
from tasks.titles import TITLE, ask_for_title, title
from tests.conftest import RedisServer
from tests.workers.agent.support.turns import request
from workers.sessions.records import AutoThread, TurnRequest, encode


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def models() -> Iterator[ModelServer]:
    server = ModelServer().start()
    yield server
    server.stop()


@pytest.fixture
def back(
    durable_server: RedisServer, tmp_path: Path, simulator: Simulator, models: ModelServer
) -> Iterator[Runtime]:
    provider = {
        "baseUrl": models.base_url,
        "apiKey": "none",
        "api": "openai-completions",
        "models": [{"id": "m1", "name": "M"}, {"id": "small", "name": "S"}],
    }
    root = {
        "models": {"providers": {"local": provider}},
        "agents": {"defaults": {"model": {"primary": "local/m1"}, "utilityModel": "local/small"}},
    }
    (tmp_path / "shoal.json").write_text(json.dumps(root))
    env = {
        "DISCORD_BOT_TOKEN": simulator.token,
        "SHOAL_DISCORD_API_URL": simulator.api_url,
        "SHOAL_REDIS_URL": durable_server.url,
        "HOME": str(tmp_path),
    }
    runtime = open_runtime(config.load(tmp_path / "shoal.json", env=env, state_dir=tmp_path), "back")
    runtime.stopping = Stopping(leave=lambda _code: None)
    yield runtime
    runtime.close()


def threaded(back: Runtime, simulator: Simulator) -> TurnRequest:
    """A request in a thread that was just made by the bot."""
    said = simulator.control.say(simulator.channel_id, "we should plan the party on friday")
    thread_on_message(back.rest("default"), simulator.channel_id, said["id"], name="we should plan")
    return request(
        "we should plan the party on friday",
        message_id=said["id"],
        channel_id=said["id"],
        channel_name="we should plan",
        parent_id=simulator.channel_id,
        parent_name="general",
        is_thread=True,
        auto_thread=AutoThread(said["id"], "main", "k", "we should plan", generated=True),
    )


def name_of(simulator: Simulator, channel: str) -> str:
    [found] = [each for each in simulator.control.state()["channels"] if each["id"] == channel]
    return str(found["name"])


@pytest.mark.parametrize("asked", [["small"], ["small", "m1"]])
def test_a_thread_is_renamed(
    back: Runtime, simulator: Simulator, models: ModelServer, asked: list[str]
) -> None:
    """By the small model, else by that of the turns."""
    trouble: dict[str, Any] = {"model": "small", "match": ".", "error": {"status": 500}}
    models.script([*([trouble] if len(asked) > 1 else []), {"text": '"Friday party plans"'}])
    wanted = threaded(back, simulator)
    assert title(back, back.store.blobs.put(encode(wanted))) == "renamed"
    assert name_of(simulator, wanted.channel_id) == "Friday party plans"
    assert [one["body"]["model"] for one in models.requests()] == asked


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"text": "we should plan"}, "kept"),
        ({"text": "```\n```"}, "kept"),
        ({"error": {"status": 401}}, "kept: "),
    ],
)
def test_a_thread_keeps_its_name(
    back: Runtime, simulator: Simulator, models: ModelServer, rule: dict[str, Any], told: str
) -> None:
    """What goes wrong is only logged."""
    models.script([rule])
    wanted = threaded(back, simulator)
    assert title(back, back.store.blobs.put(encode(wanted))).startswith(told)
    assert name_of(simulator, wanted.channel_id) == "we should plan"


def test_words_that_are_gone_name_nothing(back: Runtime) -> None:
    assert title(back, "0" * 24) == "nothing to name: too late"
    assert title(back, back.store.blobs.put(b"{}")) == "nothing to name: unreadable"


def test_the_message_of_the_task_holds_no_words(back: Runtime, simulator: Simulator) -> None:
    ask_for_title(back, threaded(back, simulator))
    [message] = back.store.redis.lrange(QUEUE_PREFIX + "upkeep", 0, -1)
    assert TITLE.encode() in message
    assert b"party" not in message
