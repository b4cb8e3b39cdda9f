"""A thread that ends by an error says so: a process must not go on with half of itself."""

from __future__ import annotations

import threading

import pytest

from shoal.base import exits
from shoal.base.errors import ProcessError, ShoalError, StoreUnavailable
from shoal.base.threads import start_thread


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
