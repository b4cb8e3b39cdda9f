"""The typing indicator, on real sockets (``spec/inbound.md`` 7.6, 10 row 23)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.workers.delivery.conftest import PostOffice
from workers.delivery.typing import Cue, Typing, TypingMode

ROUTE = "POST /channels/{channel_id}/typing"


def typings(post: PostOffice) -> int:
    return sum(1 for request in post.control.requests(route=ROUTE) if post.channel in request["path"])


def typing(post: PostOffice, mode: TypingMode = "instant", **options: object) -> Typing:
    return Typing(post.rest, post.channel, mode, **{"interval_s": 0.05, **options})  # type: ignore[arg-type]


def wait_for(post: PostOffice, count: int) -> None:
    deadline = time.monotonic() + 10
    while typings(post) < count:
        assert time.monotonic() < deadline, f"{typings(post)} of {count}"
        time.sleep(0.01)


def quiet(post: PostOffice, seconds: float = 0.3) -> bool:
    """Nothing more is asked for (what is on its way may arrive)."""
    time.sleep(0.1)
    before = typings(post)
    time.sleep(seconds)
    return typings(post) == before


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("typing-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a typing thread outlived its turn"
        time.sleep(0.02)


def test_it_is_shown_while_the_turn_runs_and_sealed_after(post: PostOffice) -> None:
    with typing(post) as shown:
        shown.cue("accepted")
        wait_for(post, 3)
    assert shown.sealed
    assert quiet(post)
    shown.cue("tool")
    shown.cue("text")
    assert quiet(post), "late callbacks must not start it again"


@pytest.mark.parametrize(
    ("mode", "cue", "starts"),
    [
        ("instant", "accepted", True),
        ("message", "accepted", False),
        ("message", "reasoning", False),
        ("message", "text", True),
        ("message", "tool", True),
        ("thinking", "accepted", False),
        ("thinking", "reasoning", True),
        ("thinking", "text", True),
        ("thinking", "tool", True),
        ("never", "accepted", False),
        ("never", "tool", False),
    ],
)
def test_modes(post: PostOffice, mode: TypingMode, cue: Cue, starts: bool) -> None:
    with typing(post, mode) as shown:
        shown.cue(cue)
        if starts:
            wait_for(post, 1)
        else:
            assert quiet(post, 0.15)
            assert typings(post) == 0


def test_a_lost_turn_types_no_more(post: PostOffice) -> None:
    alive = True
    with typing(post, alive=lambda: alive) as shown:
        shown.cue("accepted")
        wait_for(post, 2)
        alive = False
        time.sleep(0.1)
        assert quiet(post)
        assert shown.sealed


def test_without_a_sign_of_life_it_pauses(post: PostOffice) -> None:
    with typing(post, idle_s=0.2) as shown:
        shown.cue("accepted")
        wait_for(post, 2)
        time.sleep(0.3)
        assert quiet(post)
        paused = typings(post)
        shown.cue("text")
        wait_for(post, paused + 1)


def test_two_failures_in_a_row_end_it(post: PostOffice) -> None:
    post.control.fault("status", route=ROUTE, status=500, count=1)
    with typing(post) as shown:
        shown.cue("accepted")
        wait_for(post, 3)  # one failure is none
        post.control.fault("status", route=ROUTE, status=500, count=None)
        deadline = time.monotonic() + 10
        while not shown.sealed:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        failed = [
            request["status"]
            for request in post.control.requests(route=ROUTE)
            if post.channel in request["path"]
        ]
        assert failed[-2:] == [500, 500]
        assert quiet(post)


def test_it_ends_by_itself_and_where_it_is_refused(post: PostOffice) -> None:
    with typing(post, interval_s=0.02, hard_stop_s=0.05) as shown:
        shown.cue("accepted")
        time.sleep(0.4)
    assert 1 <= typings(post) <= 3
    before = typings(post)
    post.control.delete_channel(post.channel)
    with typing(post, interval_s=0.02) as shown:
        shown.cue("accepted")
        time.sleep(0.4)
        assert shown.sealed
    assert typings(post) == before + 1


def test_a_turn_that_has_just_spoken_waits_before_it_types(post: PostOffice) -> None:
    with typing(post, delay_s=5.0) as shown:
        shown.cue("accepted")
        assert quiet(post, 0.15)
        assert typings(post) == 0
