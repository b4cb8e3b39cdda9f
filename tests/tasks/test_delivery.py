"""``delivery.send`` in a ``back`` process: its real config, transport and limiter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from shoal.simulator.server import Simulator
from shoal.state.personas import Persona
from shoal.state.records import Record
from tasks.delivery import send_lane
from tasks.runtime import Runtime, open_runtime
from tasks.stopping import Stopping
from tests.conftest import RedisServer
from workers.delivery.records import KIND, SendRequest, encode

AGENTS = {
    "list": [
        {"id": "main", "default": True},
        {"id": "coder", "identity": {"name": "Ada", "avatar": "https://example.org/ada.png"}},
        {"id": "quiet", "identity": {"avatar": "avatars/quiet.png"}},
    ]
}


@pytest.fixture
def discord() -> Iterator[Simulator]:
    with Simulator() as running:
        running.control.edit_role(running.guild_id, "shoal", permissions=1 << 29)
        yield running


@pytest.fixture
def back(discord: Simulator, redis_server: RedisServer, store: object, tmp_path: Path) -> Iterator[Runtime]:
    """A ``back`` process: what Celery's task is given."""
    del store  # empties the server
    (tmp_path / "shoal.json").write_text(json.dumps({"agents": AGENTS}))
    env = {
        "DISCORD_BOT_TOKEN": discord.token,
        "SHOAL_DISCORD_API_URL": discord.api_url,
        "SHOAL_REDIS_URL": redis_server.url,
        "HOME": str(tmp_path),
    }
    opened = open_runtime(config.load(tmp_path / "shoal.json", env=env, state_dir=tmp_path), "back")
    opened.stopping = Stopping(leave=lambda _code: None)
    opened.store.facts.put_me("default", {"id": discord.bot_id, "username": "shoal"})
    yield opened
    opened.close()


def test_bound_agents_speak_under_their_names_in_their_threads(back: Runtime, discord: Simulator) -> None:
    control, personas = discord.control, back.store.personas
    seen = {}
    for agent, label in (("coder", "bugs"), ("quiet", "night shift"), ("gone", "")):
        thread = str(control.create_thread("general", f"for {agent}", content="go")["id"])
        personas.bind("default", thread, Persona(discord.channel_id, agent, label))
        send = SendRequest("default", thread, f"turn.{agent}", "final", text=f"I am {agent}")
        back.store.lanes.push(send.lane, Record(send.identity, KIND, encode(send)))
        send_lane(back, send.lane)
        [message] = [one for one in control.messages(thread) if one["author"].get("bot")]
        seen[agent] = (message["author"]["username"], bool(message["author"]["avatar"]), message["content"])
    assert seen == {
        "coder": ("Ada", True, "I am coder"),
        "quiet": ("🤖 night shift", False, "I am quiet"),
        "gone": ("🤖 gone", False, "I am gone"),
    }
    hooks = {one["webhook_id"] for one in _said(discord) if one.get("webhook_id")}
    assert len(hooks) == 1


def _said(discord: Simulator) -> list[dict[str, str]]:
    threads = [one["id"] for one in discord.control.state()["channels"] if one["type"] == 11]
    return [message for thread in threads for message in discord.control.messages(thread)]
