"""``python -m bench [row …]``: measure, print the table, write it. See docs/bench.md."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.table import Row, as_markdown, write

ROWS = (
    "latency",
    "burst",
    "clicks",
    "races",
    "memory",
    "scaling",
    "decode",
    "ingest",
    "drain",
    "limiter",
    "admission",
    "streaming",
)
"""Modules of ``bench.rows``; what people feel comes first."""

CHAOS_NOTE = "Throughput under kills against calm is measured by the chaos run: make chaos, docs/chaos.md."


def main() -> int:
    """Exit code: 0 all bars reached, 1 some missed (with --strict), 2 wrong words."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of: {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--out", type=Path, help="folder for bench.json and bench.md")
    parser.add_argument("--quick", action="store_true", help="small numbers: does it run at all?")
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 where a bar is missed by more than 20 %%"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; known: {', '.join(ROWS)}")
    done: list[Row] = []
    for name in options.rows or ROWS:
        measure: Callable[[Path, bool], list[Row]] = importlib.import_module(f"bench.rows.{name}").measure
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"shoal-bench-{name}-") as folder:
            rows = measure(Path(folder), options.quick)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        print(as_markdown(rows), file=sys.stderr, flush=True)
        done.extend(rows)
    print(as_markdown(done))
    print(CHAOS_NOTE)
    if options.out is not None:
        write(done, options.out)
    far = [row for row in done if not row.reached and _distance(row) > 0.2]
    return 1 if options.strict and far else 0


def _distance(row: Row) -> float:
    """By which share a bar was missed."""
    return abs(row.value - row.bar) / row.bar if row.bar else abs(row.value)


if __name__ == "__main__":
    sys.exit(main())
