"""A row of the table, and the table as text, Markdown and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Row", "alternate", "as_markdown", "percentile", "ratio_row", "write"]


@dataclass(frozen=True)
class Row:
    """One result.

    Attributes:
        name: stable, for programs.
        what: one line for people.
        value: the figure that is held against the bar; a ratio unless ``unit`` says otherwise.
        bar, sense: what it must reach: ``>=`` at least, ``<=`` at most.
        low, high: the extremes of the rounds, where there were several.
        ours, theirs: what the ratio is made of, with units.
        note: how it came about, where that is not plain.
    """

    name: str
    what: str
    value: float
    bar: float
    sense: Literal[">=", "<="]
    low: float | None = None
    high: float | None = None
    ours: str = ""
    theirs: str = ""
    unit: str = "x"
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the bar was reached."""
        return self.value >= self.bar if self.sense == ">=" else self.value <= self.bar


def alternate(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int = 5
) -> list[tuple[float, float]]:
    """Measure A B A B …; one unmeasured round of each first, because first calls build caches."""
    ours(), theirs()
    return [(ours(), theirs()) for _ in range(rounds)]


def ratio_row(
    name: str,
    what: str,
    pairs: Sequence[tuple[float, float]],
    *,
    bar: float,
    unit: str,
    sense: Literal[">=", "<="] = ">=",
    note: str = "",
) -> Row:
    """A row of the ratios ours / theirs of each round: their median, and the extremes as noise."""
    ratios = [ours / theirs for ours, theirs in pairs]
    return Row(
        name,
        what,
        statistics.median(ratios),
        bar,
        sense,
        low=min(ratios),
        high=max(ratios),
        ours=f"{statistics.median(ours for ours, _ in pairs):,.0f} {unit}",
        theirs=f"{statistics.median(theirs for _, theirs in pairs):,.0f} {unit}",
        note=note,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def as_markdown(rows: Sequence[Row]) -> str:
    """The table."""
    lines = [
        "| row | what | value | bar | rounds (min–max) | ours | theirs | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        noise = "" if row.low is None or row.high is None else f"{row.low:.2f}–{row.high:.2f}"
        lines.append(
            f"| {row.name} | {row.what}{f' ({row.note})' if row.note else ''} | {row.value:.2f} {row.unit} "
            f"| {row.sense} {row.bar:g} | {noise} | {row.ours} | {row.theirs} "
            f"| {'reached' if row.reached else '**missed**'} |"
        )
    return "\n".join(lines) + "\n"


def write(rows: Sequence[Row], folder: Path) -> None:
    """``bench.json`` and ``bench.md`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = [{**asdict(row), "reached": row.reached} for row in rows]
    (folder / "bench.json").write_text(json.dumps(listed, indent=2) + "\n")
    (folder / "bench.md").write_text(as_markdown(rows))
