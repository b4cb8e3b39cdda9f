"""A real worker process whose admission does something else, as told by the command line.

    hang   stands still for ever without a word of progress: a thread that is lost (rule R24)
    work   goes on for a minute, looking at its context between steps as every handler does

Run as ``python -m tests.tasks.support.worker <kind> <hang|work> <grace in s> <file>``; each acquired head is
one line in the file.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import config
import tasks.registry
import tasks.stopping
from shoal.base.logging import setup_logging
from shoal.state.records import Grant
from shoal.state.steps import Commit, Step
from tasks.runtime import Runtime
from tasks.worker import run
from workers.agent.context import TurnContext


def main(kind: str, mode: str, grace_s: str, file: str) -> int:
    def handle(grant: Grant, context: TurnContext) -> Step:
        with Path(file).open("a") as out:
            out.write(f"{grant.lane}\n")
        if mode == "hang":
            with context.step("hang", 0.2):
                time.sleep(3600)
        for _ in range(600):
            context.check()
            time.sleep(0.1)
        return Commit()

    def body(runtime: Runtime, lane: str) -> str:
        return runtime.drain.run(lane, handle)

    tasks.registry.LANE_TASKS["inbound.admit"] = body
    tasks.stopping.GRACE_S = float(grace_s)
    return run(kind, config.load(env=os.environ))


if __name__ == "__main__":
    setup_logging("worker", level="INFO")
    sys.exit(main(*sys.argv[1:]))
