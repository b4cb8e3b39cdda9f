"""Tasks take what is theirs: the name of a lane of their class."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, cast

import celery._state
import pytest
from celery import Celery
from kombu.utils.imports import symbol_by_name

from shoal.base.errors import ShoalError
from tasks import registry
from tasks.runtime import Runtime

HOSTILE: list[Any] = [
    "delivery:default:1",  # another task's lane: its records would be unreadable here
    "inbound:default:1",
    "session:../../*",
    "session:" + "a" * 5000,
    "nothing:at:all",
    "session:",
    "",
    None,
    7,
    {"a": 1},
    ["session:agent:main:main"],
]


_BUILT_IN = frozenset(celery._state._on_app_finalizers)


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lanes that ``session.turn`` worked on."""
    lanes: list[str] = []

    def body(_runtime: Runtime, lane: str) -> str:
        lanes.append(lane)
        return "done"

    monkeypatch.setitem(registry.LANE_TASKS, "session.turn", body)
    return lanes


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """An app without a broker, and without another test's tasks; tasks are called as a worker calls them."""
    monkeypatch.setattr(celery._state, "_on_app_finalizers", set(_BUILT_IN))
    return Celery("test", set_as_current=False)


def test_a_task_works_on_lanes_of_its_class(app: Celery, worked: list[str]) -> None:
    registry.register(app, lambda: cast(Runtime, None))
    assert app.tasks["session.turn"]("session:agent:main:main") == "done"
    assert worked == ["session:agent:main:main"]


@pytest.mark.parametrize("lane", HOSTILE, ids=lambda lane: str(lane)[:20])
def test_a_forged_message_can_only_knock(app: Celery, worked: list[str], lane: Any) -> None:
    registry.register(app, lambda: cast(Runtime, None))
    with pytest.raises(ShoalError):
        app.tasks["session.turn"](lane)
    assert worked == []


def test_every_task_has_its_body() -> None:
    for body in (*registry.LANE_TASKS.values(), *registry.UPKEEP_TASKS.values()):
        assert callable(symbol_by_name(body)), body


def test_a_worker_that_waits_for_quarantine_is_small() -> None:
    """The idle fleet has a bar in memory (``docs/bench.md``): turns and sends come with their use."""
    code = (
        "import celery, sys, tasks.worker as w, tasks.registry as r;"
        "r.register(celery.Celery(), lambda: None, quarantine=True);"
        "print([m for m in ('workers.agent.turn', 'workers.delivery.send', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
