"""A small chaos run: workers and gateway killed, answers lost, and the judge over the logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos.checker import judge
from bench.chaos.driver import Options, run
from bench.chaos.logs import read

pytestmark = pytest.mark.slow


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_reordered_under_kills(tmp_path: Path) -> None:
    options = Options(
        tmp_path / "run",
        seed=20,
        channels=20,
        messages=150,
        minutes=0.6,
        calm=0.2,
        window=40,
        every_s=3.5,
        small=True,
        turns=1,
    )
    run(options)  # its exit code also judges times, which a busy machine may miss; the promise is exact
    facts = read(options.folder)
    verdict = judge(facts)
    assert not [check for check in verdict.checks if check.exact and check.broken], verdict.render()
    assert [injury for injury in facts.injuries if injury.what == "kill"]
    assert len(facts.said) >= 50


@pytest.mark.timeout(300)
def test_rich_answers_are_there_once_and_nothing_is_left_behind(tmp_path: Path) -> None:
    """Design 1, promises 1, 2 and 4: all kinds of answers, buttons pressed twice, answers lost for good."""
    options = Options(
        tmp_path / "run",
        seed=21,
        channels=14,
        messages=110,
        minutes=0.5,
        calm=0.3,
        window=30,
        every_s=3.5,
        rich=True,
        beyond=1,
        small=True,
        turns=1,
    )
    run(options)
    facts = read(options.folder)
    verdict = judge(facts)
    assert not [check for check in verdict.checks if check.exact and check.broken], verdict.render()
    assert len({said.form for said in facts.said}) >= 12
    assert facts.clicks
    assert verdict.check("unknowns").note.endswith("3 beyond repair, 3 marked")
