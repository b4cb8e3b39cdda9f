"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest


@pytest.fixture
def make_fleet(tmp_path: Path) -> Iterator[Callable[..., FleetUnderTest]]:
    """A function that starts a fleet; everything is stopped at the end."""
    with ExitStack() as stack:

        def make(config: dict[str, Any] | None = None, *, workers: int = 1) -> FleetUnderTest:
            fleet = FleetUnderTest(tmp_path, config, workers=workers)
            stack.callback(fleet.stop)
            fleet.start()
            return fleet

        yield make
