"""A simulator per test, a plain REST client, and validators made of Discord's OpenAPI file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from shoal.simulator.server import Simulator

REPOSITORY = Path(__file__).resolve().parents[2]


def reference(name: str) -> Path:
    """A file of the Discord reference data beside the repository; fails plainly where it is missing."""
    folder = Path(os.environ.get("SHOAL_DISCORD_REFERENCE", REPOSITORY.parent / "shared" / "discord"))
    path = folder / name
    if not path.exists():
        pytest.fail(f"Discord reference data is missing: {path}. Set SHOAL_DISCORD_REFERENCE to its folder.")
    return path


class Rest:
    """Plain requests as the default bot."""

    def __init__(self, simulator: Simulator) -> None:
        self.base = simulator.api_url
        self.headers = {"Authorization": f"Bot {simulator.token}", "User-Agent": "DiscordBot (test, 1)"}
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.session.request(method, self.base + path, json=json, headers=headers, timeout=10, **more)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """A running simulator with limits off."""
    with Simulator(log=tmp_path / "discord.jsonl", settings={"rate_limits": False}) as running:
        yield running
        bugs = running.core.log.select("bug")
        assert not bugs, bugs


@pytest.fixture
def rest(simulator: Simulator) -> Rest:
    """Requests as the bot."""
    return Rest(simulator)


@pytest.fixture(scope="session")
def openapi() -> Callable[[str, str, str], Any]:
    """``openapi("POST", "/channels/{channel_id}/messages", "200")`` is a validator of that answer."""
    spec = json.loads(reference("openapi.json").read_text(encoding="utf-8"))
    made: dict[tuple[str, str, str], Any] = {}

    def validator(method: str, path: str, status: str) -> Any:
        key = (method, path, status)
        if key not in made:
            operation = spec["paths"][path][method.lower()]
            if status == "request":
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
            else:
                schema = operation["responses"][status]["content"]["application/json"]["schema"]
            made[key] = jsonschema_rs.Draft202012Validator(
                {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "components": spec["components"],
                    **schema,
                }
            )
        return made[key]

    return validator
