"""Broker sockets that go silent without closing: everything consumes again soon, nothing is lost or doubled.

``SHOAL_HALF_OPEN_CUTS=15`` makes it the long proof; ``python -m bench.half_open`` prints its table.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.half_open import HEALED_WITHIN_S, run

pytestmark = pytest.mark.slow

CUTS = int(os.environ.get("SHOAL_HALF_OPEN_CUTS", "3"))


@pytest.mark.timeout(150 + CUTS * 70)
def test_silent_broker_sockets_heal_and_cost_no_message(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", cuts=CUTS, seed=3)
    table = "\n".join(cut.line() for cut in outcome.cuts)
    assert all(cut.hit >= 10 for cut in outcome.cuts), table
    assert max(cut.worst for cut in outcome.cuts) <= HEALED_WITHIN_S, f"{table}\n{outcome.said}"
    assert all(cut.beat is not None and len(cut.control) == 4 for cut in outcome.cuts), table
    assert len(outcome.answers) > 10 * CUTS
    assert not outcome.lost, f"{outcome.lost}\n{table}\n{outcome.said}"
    assert not outcome.twice, f"{outcome.twice}\n{table}\n{outcome.said}"
