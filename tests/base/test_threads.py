"""A thread that ends by an error says so: a process must not go on with half of itself."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from shoal.base import exits
from shoal.base.errors import ProcessError, ShoalError, StoreUnavailable
from shoal.base.threads import Surviving, start_thread


def ended_with(error: Exception | None) -> ShoalError | None:
    told: list[ShoalError] = []

    def body() -> None:
        if error is not None:
            raise error

    start_thread("part", body, told.append).join(5.0)
    return told[0] if told else None


def test_an_error_of_ours_is_told_as_it_is() -> None:
    error = StoreUnavailable("away")
    assert ended_with(error) is error


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("x")])
def test_any_other_error_is_a_bug_with_its_exit_code(error: Exception) -> None:
    told = ended_with(error)
    assert isinstance(told, ProcessError)
    assert told.exit_code == exits.BUG
    assert "part thread" in told.message


def test_a_body_that_is_done_is_no_error() -> None:
    assert ended_with(None) is None
    assert all(thread.name != "part" for thread in threading.enumerate())


def test_a_piece_that_breaks_is_logged_with_its_trace_and_the_rest_goes_on() -> None:
    done: list[str] = []
    error = KeyError("broken")
    with capture_logs() as logs:
        for piece in ("first", "broken", "last"):
            with Surviving("piece failed", then=lambda: done.append("cleared"), piece=piece):
                if piece == "broken":
                    raise error
                done.append(piece)
    assert done == ["first", "cleared", "last"]
    told = {"event": "piece failed", "log_level": "error", "piece": "broken", "exc_info": error}
    assert logs == [told]


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt])
def test_what_leaves_the_process_is_not_held_up(leaving: type[BaseException]) -> None:
    with pytest.raises(leaving), Surviving("piece failed"):
        raise leaving
