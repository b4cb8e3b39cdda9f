"""``python -m bench.chaos``: one run and its verdict. See ``docs/chaos.md``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.chaos.checker import main as check
from bench.chaos.driver import Options, run


def main() -> int:
    """Run, judge, and leave with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="repeats a run's schedule")
    parser.add_argument("--log", type=Path, default=None, help="folder for the logs (default: a new one)")
    parser.add_argument("--minutes", type=float, default=13.0)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--every", type=float, default=6.0, help="mean seconds between injuries")
    parser.add_argument("--window", type=int, default=0, help="messages that wait at once (120, rich 60)")
    parser.add_argument("--mode", default="followup", choices=("followup", "steer", "collect", "interrupt"))
    parser.add_argument("--answers", default="plain", choices=("plain", "rich"))
    parser.add_argument("--beyond", type=int, default=0, help="answers of each kind lost beyond repair")
    parser.add_argument("--small", action="store_true", help="the version of the test suite")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = (given.log or Path(tempfile.mkdtemp(prefix="shoal-chaos-"))).absolute()
    if (folder / "driver.jsonl").exists():
        parser.error(f"{folder} holds the logs of another run")
    print(f"SEED={seed} LOG={folder}", flush=True)
    began = time.monotonic()
    options = Options(
        folder,
        seed,
        channels=given.channels,
        messages=given.messages,
        minutes=given.minutes,
        every_s=given.every,
        window=given.window,
        mode=given.mode,
        rich=given.answers == "rich",
        beyond=given.beyond,
        small=given.small,
        turns=1 if given.small else 2,
    )
    code = run(options)
    print(f"ran {time.monotonic() - began:.0f} s; the fleet left with exit code {code}", flush=True)
    return check(["checker", str(folder)]) or code


if __name__ == "__main__":
    sys.exit(main())
