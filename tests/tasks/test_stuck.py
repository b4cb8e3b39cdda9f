"""Sessions that stand still are found, said and ended (``spec/inbound.md`` 5.5, decision 25, rule R24)."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from config.agents import ModelRef
from shoal.simulator.models import ModelServer
from shoal.state.records import Grant, Refused
from shoal.state.steps import Commit
from shoal.state.store import Store
from tasks.drain import Drain
from tasks.keeper import Keeper
from tasks.stopping import Stopping
from tasks.stuck import SESSIONS, StuckWatch, in_hand_info
from tests.workers.agent.support.turns import (
    LANE,
    CountingTool,
    deliver,
    deps,
    record,
    request,
    settle,
    take,
)
from workers.agent.context import TurnContext
from workers.agent.profile import AgentProfile
from workers.agent.turn import run_turn
from workers.sessions.stuck import Beat, Limits, judge, line

LIMITS = Limits(warn_ms=120_000, abort_ms=600_000)
MINUTE = 60_000


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the watch writes into the log: (level, text)."""
    lines: list[tuple[str, str]] = []

    class Log:
        def warning(self, text: str, **_: Any) -> None:
            lines.append(("warning", text))

        def debug(self, text: str, **_: Any) -> None:
            lines.append(("debug", text))

    monkeypatch.setattr("tasks.stuck.log", Log())
    return lines


def beat(store: Store, quiet_ms: int, *, step: str = "tool exec", held_ms: int = 0, lane: str = LANE) -> None:
    """The heartbeat of a process that works on the lane."""
    info = {SESSIONS: [[lane, step, held_ms or quiet_ms, quiet_ms]]}
    store.processes.announce("turns", "host", os.getpid(), (1, 1), info)


@pytest.mark.parametrize(
    ("seen", "unheard", "waiting", "found"),
    [
        (Beat("model m", 5, 5), 0, 0, None),
        (Beat("model m", 5 * MINUTE, 5), 0, 0, ("long_running", "long_running", "none", False)),
        (Beat("model m", 5 * MINUTE, 5), 0, 2, ("long_running", "long_running", "none", True)),
        (Beat("tool exec", 3 * MINUTE, 3 * MINUTE), 0, 0, ("stalled", "blocked_tool_call", "none", True)),
        (Beat("model m", 3 * MINUTE, 3 * MINUTE), 0, 0, ("stalled", "stalled_agent_run", "none", True)),
        (Beat("start", 3 * MINUTE, 3 * MINUTE), 0, 0, ("stalled", "stalled_agent_run", "none", True)),
        (Beat("tool x", 11 * MINUTE, 10 * MINUTE), 0, 0, ("stalled", "blocked_tool_call", "abort", True)),
        (None, 60_000, 0, None),
        (None, 2 * MINUTE, 0, ("stuck", "stale_bookkeeping", "release", True)),
    ],
)
def test_what_is_said_of_a_session(
    seen: Beat | None, unheard: int, waiting: int, found: tuple[str, str, str, bool] | None
) -> None:
    finding = judge(seen, unheard, waiting, LIMITS)
    if found is None:
        assert finding is None
    else:
        assert finding is not None
        assert (finding.state, finding.classification, finding.recovery, finding.urgent) == found


def test_the_line_is_the_well_known_one() -> None:
    finding = judge(Beat("tool exec", 3 * MINUTE, 3 * MINUTE), 0, 2, LIMITS)
    assert finding is not None
    text = line(finding, LANE, session_id="abc", waiting=2, step="tool exec")
    assert text == (
        "stuck session: sessionKey=agent:main:discord:channel:777 state=processing age=180s sessionId=abc "
        "queueDepth=2 reason=no_progress classification=blocked_tool_call activeWork=tool:exec recovery=none"
    )
    assert re.match(r"stuck session: sessionKey=agent:\S+:discord:\S+ state=processing ", text)


def test_warnings_come_further_and_further_apart(store: Store, said: list[tuple[str, str]]) -> None:
    """And whoever looks next knows what was said: another process, another watch."""
    store.lanes.push(LANE, record(request()))
    store.lanes.push(LANE, record(request("behind", 1)))
    take(store)
    for minutes in (1, 2, 3, 4.2, 5, 7, 8.9, 9):
        beat(store, int(minutes * MINUTE))
        StuckWatch(store, LIMITS).look()
    ages = [re.search(r"age=(\d+)s", text) for _, text in said]
    assert [int(found.group(1)) // 60 for found in ages if found] == [2, 4, 8]
    assert all("queueDepth=1" in text for _, text in said)


def test_one_process_looks_at_a_time(store: Store, said: list[tuple[str, str]]) -> None:
    store.lanes.push(LANE, record(request()))
    take(store)
    beat(store, 3 * MINUTE)
    for _ in range(3):
        StuckWatch(store, LIMITS).look_if_due()
    assert len(said) == 1
    assert store.redis.pttl(store.keys.stuck_look()) > 20_000


def test_a_session_that_moves_again_is_forgotten(store: Store, said: list[tuple[str, str]]) -> None:
    store.lanes.push(LANE, record(request()))
    grant = take(store)
    watch = StuckWatch(store, LIMITS)
    for quiet in (2 * MINUTE, 1, 2 * MINUTE):
        beat(store, quiet)
        watch.look()
    assert len(said) == 2
    store.lanes.commit(grant)
    watch.look()
    assert store.redis.hgetall(store.keys.stuck()) == {}


def test_a_lane_nobody_speaks_of_is_taken_from_its_holder(store: Store, said: list[tuple[str, str]]) -> None:
    """Stale bookkeeping: the lease is renewed, and nothing says that it works. The head goes on elsewhere."""
    store.lanes.push(LANE, record(request()))
    grant = take(store)
    watch = StuckWatch(store, Limits(300, 10_000))
    assert watch.look() == []
    assert store.lanes.renew({LANE: grant.token}) == set()
    time.sleep(0.4)
    [(lane, finding)] = watch.look()
    assert (lane, finding.recovery) == (LANE, "release")
    assert store.lanes.renew({LANE: grant.token}) == {LANE}
    _expire(store, grant)
    again = take(store)
    assert (again.head.identity, again.aborted) == (grant.head.identity, False)
    assert store.lanes.renew({LANE: again.token}) == set(), "the mark was about the other holder"


def test_a_holder_that_does_not_look_loses_the_lane_and_the_next_one_ends_the_turn(
    store: Store, said: list[tuple[str, str]]
) -> None:
    """A thread that hangs in a call cannot be killed (R24): queued work goes on all the same."""
    first = request("hang")
    store.lanes.push(LANE, record(first))
    store.lanes.push(LANE, record(request("waits", 1), "followup"))
    hung = take(store)
    beat(store, 10 * MINUTE)
    [(_, finding)] = StuckWatch(store, LIMITS).look()
    assert finding.recovery == "abort"
    assert store.lanes.renew({LANE: hung.token}) == set(), "it has ten seconds to end by itself"
    store.lanes.abort(LANE, hung.head.identity, grace_ms=0)
    assert store.lanes.renew({LANE: hung.token}) == {LANE}
    _expire(store, hung)
    grant = take(store)
    assert grant.aborted
    assert store.lanes.renew({LANE: grant.token}) == set()
    step = run_turn(grant, deps(store, None, profile=_profile()), TurnContext())
    assert isinstance(step, Commit)
    settle(store, grant, step)
    [notice] = deliver(store)
    assert notice.text == "I got stuck on this and was stopped. Please ask again."
    told = store.ledger.explain("default", first.message_id)
    assert told is not None
    assert (str(told.outcome), told.reason) == ("answered", "stuck")
    assert not take(store).aborted


@pytest.mark.parametrize("where", ["model", "tool"])
def test_a_turn_that_stands_still_is_ended_by_its_own_process(
    store: Store, said: list[tuple[str, str]], where: str
) -> None:
    """The whole of it with real threads: heartbeat, watch, mark, notice, next message."""
    rules: list[dict[str, Any]] = [{"text": ["never"], "delay": 30.0}, {"text": "second"}]
    if where == "tool":
        rules[0] = {"tool_calls": [{"name": "count", "arguments": {}}]}
    server = ModelServer(script=rules).start()
    release = threading.Event()
    used = deps(store, server, CountingTool(lambda: (release.wait(8), None)[1]), profile=_profile())
    store.lanes.push(LANE, record(request("first")))
    store.lanes.push(LANE, record(request("second", 1), "followup"))
    watch = StuckWatch(store, Limits(500, 1_000))
    stopping = Stopping()
    keeper = Keeper(store.lanes, on_leak=lambda: None)
    drain = Drain(store.lanes, keeper, stopping)
    with _running(lambda: drain.run(LANE, lambda grant, context: run_turn(grant, used, context))):
        ends = time.monotonic() + 8
        while time.monotonic() < ends and not any("recovery=abort" in text for _, text in said):
            held = in_hand_info(keeper.in_hand(), time.monotonic())
            store.processes.announce("turns", "host", os.getpid(), (1, 1), {SESSIONS: held})
            watch.look()
            time.sleep(0.1)
        release.set()
    server.stop()
    kind = "blocked_tool_call" if where == "tool" else "stalled_agent_run"
    assert any(f"classification={kind}" in text and "recovery=abort" in text for _, text in said), said
    assert [send.text for send in deliver(store)] == [
        "I got stuck on this and was stopped. Please ask again."
    ]
    following = store.lanes.acquire(LANE, f"{time.monotonic_ns():032x}")
    assert not isinstance(following, Refused)
    assert following.head.mode == "followup"


def _profile() -> AgentProfile:
    return AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"), visible_all="automatic")


def _expire(store: Store, grant: Grant) -> None:
    """The lease runs out, and a sweep finds it."""
    store.redis.hset(store.keys.lane(grant.lane), "until", 1)
    store.redis.zadd(store.keys.due("session"), {grant.lane: 1})
    assert store.lanes.sweep("session").expired == 1


@contextmanager
def _running(work: Callable[[], Any]) -> Any:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()
