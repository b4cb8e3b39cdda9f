"""Slow work in a pool that must stay quick: bounded, and nobody takes all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tasks.slots import Job, Slots


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_only_so_many_at_once_and_only_some_for_one_person() -> None:
    slots = Slots(most=3, per_person=2)
    release = threading.Event()
    running: list[str] = []
    answers: dict[str, list[str]] = {}

    def start(name: str, person: str) -> threading.Thread:
        def work() -> str:
            running.append(name)
            release.wait(10)
            return name

        def run() -> None:
            answers[name] = slots.run(Job(name, person, work))

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    threads = []
    for name, person in (("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("b1", "bob"), ("b2", "bob")):
        threads.append(start(name, person))
        until(lambda name=name: name in running or name in answers)  # type: ignore[misc]
    assert running == ["a1", "a2", "b1"], "ann's third waits although a slot was free; bob's second has none"
    assert answers == {"a3": [], "b2": []}, "threads whose job must wait are free again"
    assert slots.run(Job("a3", "ann", lambda: "twice")) == ["in hand"]
    release.set()
    for thread in threads:
        thread.join(10)
    assert sorted(name for done in answers.values() for name in done) == ["a1", "a2", "a3", "b1", "b2"]


def test_a_job_that_fails_gives_its_slot_back() -> None:
    slots = Slots(most=1)

    def fails() -> str:
        raise KeyError("x")

    with pytest.raises(KeyError):
        slots.run(Job("a", "ann", fails))
    assert slots.run(Job("a", "ann", lambda: "fine")) == ["fine"]
