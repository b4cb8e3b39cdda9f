"""Fixtures: the real command, and a real supervisor with probes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.helpers import Probes, Shoal


@pytest.fixture
def shoal(tmp_path: Path) -> Iterator[Shoal]:
    """The command, in an empty home."""
    caller = Shoal(tmp_path)
    yield caller
    caller.close()


@pytest.fixture
def probes(tmp_path: Path) -> Iterator[Probes]:
    """A supervisor to be filled with probes."""
    made = Probes(tmp_path / "state")
    yield made
    made.close()
