"""A worker whose slots were all taken looks at the queues as soon as one is free."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from shoal.state.store import Store
from tests.conftest import RedisServer

WORKER = """
import sys, time
from tasks.app import build_app
from tasks.consuming import HintRequest, hint_queue, tune_process

tune_process()
app = build_app(sys.argv[1])
app.conf.task_queues = [hint_queue("upkeep")]

@app.task(name="nap", Request=HintRequest)
def nap(seconds):
    time.sleep(seconds)

app.Worker(pool_cls="threads", concurrency=2, queues=["upkeep"], without_gossip=True, without_mingle=True,
           loglevel="ERROR", quiet=True).start()
"""


def test_no_pause_between_full_rounds_and_nothing_kept_about_messages(
    redis_server: RedisServer, store: Store, tmp_path: Path
) -> None:
    """Two slots, forty short tasks: twenty rounds take little more than their work."""
    from tasks.app import QUEUE_PREFIX, build_app

    worker = subprocess.Popen([sys.executable, "-c", WORKER, redis_server.url], cwd=Path.cwd())
    app = build_app(redis_server.url)
    try:
        for _ in range(40):
            app.send_task("nap", args=(0.01,), queue="upkeep")
        queue = QUEUE_PREFIX + "upkeep"
        _until(lambda: 0 < store.redis.llen(queue) < 40, 30)
        began = time.monotonic()
        _until(lambda: not store.redis.llen(queue), 30)
        assert time.monotonic() - began < 4, "each round waited for a timer"
        assert not store.redis.exists(QUEUE_PREFIX + "unacked", QUEUE_PREFIX + "unacked_index")
    finally:
        worker.kill()
        worker.wait()
        app.close()


def _until(done, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)
