"""A key that loads does something, or is reported: each field is read somewhere or said to be later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from config.schema.agents import AgentDefaults
from config.schema.base import Section
from config.schema.discord import DiscordConfig
from config.schema.root import Root
from tests.config.conftest import LoadText

pytestmark = pytest.mark.waits

HERE = Path(__file__).parents[2]
FLEET = ("gateway", "tasks", "workers")
READERS = ("config", "gateway", "shoal", "tasks", "workers")
WAITING: frozenset[str] = frozenset({"Diagnostics.stuckSessionAbortMs"})
"""Fields, as ``Model.key``, that a property of their section reads, or that are being wired up."""


def sections(annotation: object) -> Iterator[type[Section]]:
    """Sections an annotation leads to."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from sections(part)


def fields() -> dict[str, tuple[str, str]]:
    """``Model.key`` → (python name, key) for all fields that are not below a key of ``LATER``."""
    found: dict[str, tuple[str, str]] = {}
    waiting: list[type[BaseModel]] = [Root]
    seen: set[type[BaseModel]] = set()
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, info in model.model_fields.items():
            key = info.alias or name
            if issubclass(model, Section) and key in model.LATER:
                continue
            found[f"{model.__name__}.{key}"] = (name, key)
            waiting += sections(info.annotation)
    return found


def all_sections(base: type[Section] = Section) -> Iterator[type[Section]]:
    for model in base.__subclasses__():
        yield model
        yield from all_sections(model)


@pytest.fixture(scope="module")
def code() -> str:
    """What runs: everything but the schema and the simulator."""
    parts = [path for root in READERS for path in sorted((HERE / root).rglob("*.py"))]
    left_out = (HERE / "config" / "schema", HERE / "shoal" / "simulator")
    return "\n".join(
        path.read_text("utf-8")
        for path in parts
        if not any(path.is_relative_to(folder) for folder in left_out)
    )


def test_every_field_is_read_or_reported(code: str) -> None:
    """Roughly: a field counts as read where its name stands as an attribute or in quotes."""
    unread = {
        where
        for where, (name, key) in fields().items()
        if not re.search(rf"\.{re.escape(name)}\b|[\"'](?:{re.escape(name)}|{re.escape(key)})[\"']", code)
    }
    assert unread - WAITING == set(), "read them, or list them in LATER of their section"
    assert WAITING - unread == set(), "these are read now: take them out of WAITING"


def test_what_is_later_is_a_field_of_its_section() -> None:
    for model in all_sections():
        known = {info.alias or name for name, info in model.model_fields.items()}
        assert known >= model.LATER, model
        assert not model.LATER & model.KEPT, model


@pytest.mark.parametrize(
    ("model", "receiver"), [(DiscordConfig, "discord"), (Root, "root"), (AgentDefaults, "defaults")]
)
def test_what_works_is_not_called_later(model: type[Section], receiver: str) -> None:
    """Where the fleet reads ``discord.actions``, who writes it must not hear that it has no effect."""
    text = "\n".join(
        path.read_text("utf-8") for root in FLEET for path in sorted((HERE / root).rglob("*.py"))
    )
    later = {name for name, info in model.model_fields.items() if (info.alias or name) in model.LATER}
    assert {name for name in later if re.search(rf"\b{receiver}\.{name}\b", text)} == set()


def test_a_written_key_without_effect_is_told_in_one_line(load_text: LoadText) -> None:
    loaded = load_text(
        """{
          channels: {
            discord: { autoPresence: { enabled: true }, accounts: { a: { configWrites: false } } },
          },
          tools: { exec: { security: "deny" } }, cron: { enabled: true }, plugins: {},
        }"""
    )
    [line] = [issue.message for issue in loaded.warnings if "no effect" in issue.message]
    for name in (
        "channels.discord.autoPresence",
        "channels.discord.accounts.a.configWrites",
        "tools.exec",
        "cron",
        "plugins",
    ):
        assert name in line
    assert not [
        text for text in map(str, load_text("{ channels: { discord: {} } }").warnings) if "no effect" in text
    ]
