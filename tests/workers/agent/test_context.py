"""Deadlines, stops, shutdown, lease and progress, on a clock that is moved by hand."""

from __future__ import annotations

import pytest

from shoal.base.clock import VirtualClock
from shoal.base.errors import StoreUnavailable
from workers.agent.context import LeaseLost, TurnContext, TurnOverdue, TurnShutdown, TurnStopped


def test_the_lease_ends_a_second_early_unless_it_is_renewed() -> None:
    clock = VirtualClock()
    context = TurnContext(clock)
    context.granted(clock.monotonic(), 5.0)
    clock.advance(3.9)
    context.check()
    context.renewed()
    clock.advance(3.9)
    context.check()
    clock.advance(0.2)
    with pytest.raises(LeaseLost):
        context.check()


def test_time_counts_from_before_the_grant_was_asked_for() -> None:
    clock = VirtualClock()
    asked = clock.monotonic()
    clock.advance(4.5)  # frozen between the call and the turn
    context = TurnContext(clock)
    context.granted(asked, 5.0)
    with pytest.raises(LeaseLost):
        context.check()


def test_a_lost_lease_stays_lost() -> None:
    context = TurnContext(VirtualClock())
    context.lose()
    context.renewed()
    with pytest.raises(LeaseLost):
        context.check()


def test_a_step_that_stands_still_stops_making_progress() -> None:
    clock = VirtualClock()
    context = TurnContext(clock)
    with context.step("tool slow", 10):
        assert context.step_name == "tool slow"
        clock.advance(9)
        assert context.progressing()
        context.progress()
        clock.advance(9)
        assert context.progressing()
        clock.advance(2)
        assert not context.progressing()
    assert context.progressing()
    assert context.step_name == "start"


def test_a_step_does_not_begin_when_the_turn_must_end() -> None:
    leaving = [True]
    context = TurnContext(VirtualClock(), shutting_down=lambda: leaving[0])
    ran = []
    with pytest.raises(TurnShutdown), context.step("x", 1):
        ran.append(1)
    assert ran == []


def test_the_deadline() -> None:
    clock = VirtualClock()
    context = TurnContext(clock, deadline_s=100)
    context.limit(10)
    context.limit(50)
    clock.advance(11)
    with pytest.raises(TurnOverdue):
        context.check()


def test_a_stop_is_asked_for_seldom_and_remembered() -> None:
    clock = VirtualClock()
    asked: list[float] = []
    stopped = [False]

    def ask() -> bool:
        asked.append(clock.monotonic())
        return stopped[0]

    context = TurnContext(clock)
    context.watch_stop(ask)
    for _ in range(10):
        context.check()
        clock.advance(0.1)
    assert len(asked) == 2
    stopped[0] = True
    clock.advance(1)
    with pytest.raises(TurnStopped):
        context.check()
    stopped[0] = False
    with pytest.raises(TurnStopped):
        context.check()


def test_redis_away_is_no_stop() -> None:
    def ask() -> bool:
        raise StoreUnavailable("away")

    context = TurnContext(VirtualClock())
    context.watch_stop(ask)
    context.check()
