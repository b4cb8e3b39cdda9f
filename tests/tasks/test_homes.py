"""An agent's turns run where its files are (rule R25)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import config
from config import Loaded
from shoal.base.clock import VirtualClock
from shoal.state.homes import GONE_MS
from shoal.state.store import Store
from tasks.homes import SHARED, AtHome, files_host, settle_homes
from tasks.media import FileDesk, queue_for
from tasks.runtime import Runtime
from tasks.session import turn_lane
from tests.tasks.conftest import TOKEN

LANE = "session:agent:main:discord:channel:1"

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load("host-a", redis=…, agents={…})``: the config as one host of a fleet has it."""

    def run(host: str, *, redis: str | None = "redis://:x@10.0.0.9:6379/0", **agents: Any) -> Loaded:
        (tmp_path / host).mkdir(exist_ok=True)
        path = tmp_path / host / "shoal.json"
        path.write_text(json.dumps({"agents": agents, "fleet": {"host": host}}))
        env = {
            "DISCORD_BOT_TOKEN": TOKEN,
            "HOME": str(tmp_path),
            **({"SHOAL_REDIS_URL": redis} if redis else {}),
        }
        return config.load(path, env=env, state_dir=tmp_path / host)

    return run


def at(loaded: Loaded, store: Store, clock: VirtualClock | None = None) -> AtHome:
    return AtHome(loaded, store, loaded.host, (clock or VirtualClock()).monotonic)


def test_who_serves_an_agent_first_has_it(load: Load, store: Store) -> None:
    first, second = (at(load(host), store) for host in ("host-a", "host-b"))
    assert first.elsewhere(LANE) == ""
    assert second.elsewhere(LANE) == "host-a"
    assert second.elsewhere("session:agent:other:discord:channel:1") == ""
    assert store.homes.all() == {"main": "host-a", "other": "host-b"}


def test_a_host_does_not_rely_for_long_on_having_an_agent(load: Load, store: Store) -> None:
    clock = VirtualClock()
    here = at(load("host-a"), store, clock)
    assert here.elsewhere(LANE) == ""
    store.homes.put("main", "host-b")
    clock.advance(11)
    assert here.elsewhere(LANE) == "host-b"


def test_the_config_names_the_home(load: Load, store: Store) -> None:
    told = {"list": [{"id": "main", "default": True, "home": "Host-B.example.org"}]}
    first, second = (load(host, **told) for host in ("host-a", "host-b"))
    settle_homes(first, store)
    assert store.homes.all() == {"main": "host-b"}
    assert at(first, store).elsewhere(LANE) == "host-b"
    assert at(second, store).elsewhere(LANE) == ""
    assert settle_homes(load("host-a"), store) == "1 homes, 0 gone", (
        "leased now, since nobody names it any more"
    )
    assert settle_homes(load("host-a", defaults={"home": SHARED}), store) == "0 homes, 0 gone"


@pytest.mark.parametrize("how", [{"redis": None}, {"defaults": {"home": "shared"}}])
def test_hosts_with_one_disk_have_no_homes(load: Load, store: Store, how: dict[str, Any]) -> None:
    """Containers that share the state dir: each has a host name of its own, all have the same files."""
    first, second = (load(host, **how) for host in ("host-a", "host-b"))
    assert at(first, store).elsewhere(LANE) == at(second, store).elsewhere(LANE) == ""
    assert store.homes.all() == {}
    assert files_host(first) == files_host(second) == SHARED
    assert files_host(load("host-a")) == "host-a"


def test_a_home_that_is_gone_is_given_up_after_a_minute_but_not_one_of_the_config(
    load: Load, store: Store
) -> None:
    loaded = load("host-a", list=[{"id": "main", "default": True}, {"id": "other", "home": "host-b"}])
    assert at(load("host-b"), store).elsewhere(LANE) == ""
    store.processes.announce("turns", "host-b", 7)
    settle_homes(loaded, store)
    assert store.homes.missing(["host-b"]) == []
    store.processes.leave("turns", "host-b", 7)
    settle_homes(loaded, store)
    for agent in ("main", "other"):
        assert store.homes.all()[agent] == "host-b", "a restart takes less than a minute"
        seen = f"{store.now_ms() - GONE_MS} host-b"
        store.redis.hset(store.keys.homes_gone(), agent, seen)
    assert settle_homes(loaded, store) == "1 homes, 2 gone"
    assert store.homes.all() == {"other": "host-b"}
    assert at(loaded, store).elsewhere(LANE) == ""


def test_a_hint_that_came_to_the_wrong_host_takes_nothing(runtime: Runtime) -> None:
    store = runtime.store
    store.homes.put("main", "elsewhere")
    assert turn_lane(runtime, LANE) == "at home on elsewhere"
    store.homes.put("main", runtime.home)
    assert turn_lane(runtime, LANE) == "nothing to do: empty"


def test_files_are_asked_for_where_the_agent_lives(runtime: Runtime) -> None:
    store, desk = runtime.store, FileDesk(runtime)
    assert desk.host == runtime.home
    assert queue_for(runtime, LANE) == "upkeep"
    store.homes.put("main", "elsewhere")
    assert queue_for(runtime, LANE) == "upkeep.elsewhere"
