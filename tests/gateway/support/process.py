"""Runs the gateway as ``shoal gateway`` would, for tests that kill it.

Usage: python -m tests.gateway.support.process <config file> <state dir> [force] [standby]
"""

from __future__ import annotations

import sys
from pathlib import Path

import config
from gateway.listener import run
from shoal.base.errors import ProcessError
from shoal.base.logging import setup_logging


def main() -> int:
    path, state_dir = Path(sys.argv[1]), Path(sys.argv[2])
    loaded = config.load(path, state_dir=state_dir)
    setup_logging("gateway@test", state_dir=state_dir)
    try:
        return run(loaded, "default", force="force" in sys.argv, standby="standby" in sys.argv)
    except ProcessError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
