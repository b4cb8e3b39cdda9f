"""A process of the fleet, in the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from tasks.runtime import Runtime, open_runtime
from tasks.stopping import Stopping
from tests.conftest import RedisServer

OWNER = "700"
TOKEN = "MTMwMDAwMDAwMDAwMDAwMDAw.GTest1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def runtime(durable_server: RedisServer, tmp_path: Path) -> Iterator[Runtime]:
    """A ``back`` process whose owner is known, on a server of its own."""
    (tmp_path / "shoal.json").write_text(json.dumps({"commands": {"ownerAllowFrom": [f"<@{OWNER}>"]}}))
    env = {"DISCORD_BOT_TOKEN": TOKEN, "SHOAL_REDIS_URL": durable_server.url, "HOME": str(tmp_path)}
    loaded = config.load(tmp_path / "shoal.json", env=env, state_dir=tmp_path)
    opened = open_runtime(loaded, "back")
    opened.stopping = Stopping(leave=lambda _code: None)  # this process stays
    yield opened
    opened.close()
