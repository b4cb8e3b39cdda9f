"""Every script may arrive twice (R4): the client sends again when an answer is lost."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.state.scripts import Script
from shoal.state.store import Store
from tests.state.scenarios import Scenario, all_scenarios
from tests.state.support import snapshot, timeless


class TwiceScript(Script):
    """Runs every call twice and gives the second answer, as after a lost one."""

    def __call__(self, *args: Any) -> Any:
        super().__call__(*args)
        return super().__call__(*args)

    def queue(self, pipeline: Any, *args: Any) -> None:
        super().__call__(*args)
        super().queue(pipeline, *args)


def deliver_twice(store: Store, name: str) -> None:
    store._scripts[name] = TwiceScript(store._client, name, store.keys.prefix)


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.name)
def test_a_script_delivered_twice_is_delivered_once(store: Store, scenario: Scenario) -> None:
    store.redis.set(store.keys.epoch(), "epoch")
    once = scenario.act(store, scenario.prepare(store))
    expected = timeless(snapshot(store))

    store.redis.flushall()
    store.redis.set(store.keys.epoch(), "epoch")
    prepared = scenario.prepare(store)
    deliver_twice(store, scenario.script)
    twice = scenario.act(store, prepared)
    del store._scripts[scenario.script]

    found = timeless(snapshot(store))
    for observed in (expected, found):
        observed.pop("shoal:1:clock", None)  # written now and then, not by every call
        observed.pop("shoal:1:epoch", None)  # a fresh one where the clock falls
    assert found == expected
    if scenario.answers:
        assert twice == once


def test_every_script_has_a_scenario() -> None:
    from importlib import resources

    files = {item.name.removesuffix(".lua") for item in (resources.files("shoal.state") / "lua").iterdir()}
    parts = {"lane", "intake", "holder", "ledger", "process", "transcript", "probe", "pairing", "control"}
    ours = {name for name in files if name.partition("_")[0] in parts}
    assert ours == {scenario.script for scenario in all_scenarios()}
