"""A script is isolated, not atomic: so it checks everything, then writes (R5).

Three ways to break each script: each Redis call up to the first write fails in turn; each key
it touches has the wrong type in turn; the server has no memory left. Every time: all or nothing.
And after its first write a script touches only keys whose type it knows.
"""

from __future__ import annotations

from typing import Any

import pytest
import redis

from shoal.base.errors import ShoalError
from shoal.state.scripts import Script
from shoal.state.store import Store
from tests.state.scenarios import Scenario, all_scenarios
from tests.state.support import snapshot

LOG = "test:log"
WRAPPER = """
local real, calls = redis, 0
local function observed(call, ...)
  calls = calls + 1
  local command = {{...}}
  if calls == {fail_at} then error({{ err = 'ERR injected' }}) end
  {log}
  return call(...)
end
local redis = setmetatable({{
  call = function(...) return observed(real.call, ...) end,
  pcall = function(...) return observed(real.pcall, ...) end,
}}, {{ __index = real }})
"""
LOG_LINE = f"real.call('RPUSH', '{LOG}', command[1] .. ' ' .. tostring(command[2]))"
WRITES = frozenset(
    """SET DEL HSET HSETNX HDEL LPUSH RPUSH LPOP LREM LINSERT LTRIM
    SADD SREM ZADD ZREM ZREMRANGEBYSCORE ZPOPMIN PEXPIRE""".split()  # noqa: SIM905
)
ANY_TYPE = frozenset({"SET", "DEL", "PEXPIRE", "PTTL", "EXISTS", "TYPE"})
"""Commands that no type of their key makes fail."""


class BrokenScript(Script):
    """A script whose n-th Redis call fails; with 0 none fails and all are logged."""

    def __init__(self, store: Store, name: str, fail_at: int) -> None:
        super().__init__(store._client, name, store.keys.prefix)
        log = LOG_LINE if fail_at == 0 else ""
        self.source = WRAPPER.format(fail_at=fail_at, log=log) + self.source

    def __call__(self, *args: Any) -> Any:
        return self._client.eval(self.source, 0, self._prefix, *args)

    def queue(self, pipeline: Any, *args: Any) -> None:
        pipeline.eval(self.source, 0, self._prefix, *args)


def act(store: Store, scenario: Scenario, prepared: Any) -> bool:
    """Run the call under test; whether it went through."""
    try:
        answer = scenario.act(store, prepared)
    except (ShoalError, redis.exceptions.ResponseError):
        return False
    return not str(getattr(answer, "refused", "")).startswith("error")


def logged(store: Store, scenario: Scenario) -> list[tuple[str, str]]:
    """(command, key) of every call of a good run."""
    prepared = scenario.prepare(store)
    store._scripts[scenario.script] = BrokenScript(store, scenario.script, 0)
    assert act(store, scenario, prepared)
    del store._scripts[scenario.script]
    lines = [line.decode().partition(" ") for line in store.redis.lrange(LOG, 0, -1)]
    store.redis.flushall()
    return [(command, key) for command, _, key in lines]


def first_write(calls: list[tuple[str, str]]) -> int:
    """Index of the first write, or the number of calls."""
    return next((index for index, (command, _) in enumerate(calls) if command in WRITES), len(calls))


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.name)
def test_each_call_fails_in_turn(store: Store, scenario: Scenario) -> None:
    calls = logged(store, scenario)
    prepared = scenario.prepare(store)
    before = snapshot(store)
    for number in range(1, min(first_write(calls) + 1, len(calls)) + 1):
        store._scripts[scenario.script] = BrokenScript(store, scenario.script, number)
        assert not act(store, scenario, prepared), f"call {number} {calls[number - 1]} failed unnoticed"
        assert snapshot(store) == before, f"call {number} {calls[number - 1]} failed after a write"
    del store._scripts[scenario.script]
    assert act(store, scenario, prepared)


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.name)
def test_after_the_first_write_nothing_can_fail(store: Store, scenario: Scenario) -> None:
    calls = logged(store, scenario)
    start = first_write(calls)
    known = {key for command, key in calls[:start] if command not in ("EXISTS", "PTTL")}
    made = {key for command, key in calls[start:] if command == "DEL"}
    unknown = [
        (command, key)
        for command, key in calls[start:]
        if command not in ANY_TYPE and key not in known and key not in made
    ]
    assert unknown == []


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.name)
def test_a_key_of_the_wrong_type_changes_nothing_else(store: Store, scenario: Scenario) -> None:
    calls = logged(store, scenario)
    for key in sorted({key for _, key in calls if key.startswith("shoal:")}):
        store.redis.flushall()
        prepared = scenario.prepare(store)
        kind = store.redis.type(key)
        store.redis.delete(key)
        store.redis.rpush(key, "wrong") if kind != b"list" else store.redis.set(key, "wrong")
        before = snapshot(store)
        if not act(store, scenario, prepared):
            assert snapshot(store) == before, key


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.name)
def test_no_memory_means_nothing_or_all(store: Store, scenario: Scenario) -> None:
    prepared = scenario.prepare(store)
    before = snapshot(store)
    store.redis.config_set("maxmemory", 1)
    try:
        done = act(store, scenario, prepared)
    finally:
        store.redis.config_set("maxmemory", 0)
    if not done:
        assert snapshot(store) == before
    assert act(store, scenario, prepared) or done
