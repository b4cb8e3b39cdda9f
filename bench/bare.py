"""Bare Celery, to compare with: one task, threads pool, defaults otherwise; no lanes, no events.

As a module (``python -m bench.bare URL SOCKET CONCURRENCY``) it is the worker. Each task sends the time
at which it starts to a datagram socket of the benchmark.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from celery import Celery

__all__ = ["BareCelery"]

PREFIX = "bare:"


def _app(url: str) -> Celery:
    app = Celery("bare", broker=url, broker_connection_retry_on_startup=True, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        worker_hijack_root_logger=False,
        broker_transport_options={"global_keyprefix": PREFIX},
    )
    return app


def broker_url(redis_url: str) -> str:
    """kombu's words for a Redis URL."""
    return redis_url.replace("unix://", "redis+socket://", 1)


class BareCelery:
    """A worker process, and the publisher's side.

    Args:
        redis_url: as ``Store.open`` wants it, password included.
        folder: for the socket.
    """

    def __init__(self, redis_url: str, folder: Path, *, concurrency: int = 8) -> None:
        self.url = broker_url(redis_url)
        address = folder / "bare.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind(str(address))
        self._socket.settimeout(60)
        self._app = _app(self.url)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.bare", self.url, str(address), str(concurrency)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection)
        self.start_latency()

    @property
    def pid(self) -> int:
        """The worker."""
        return self._process.pid

    def publish(self) -> None:
        """One task."""
        self._app.send_task("noop", args=(1,), queue="celery", producer=self._producer)

    def started(self) -> float:
        """The time at which the next task started."""
        return float(self._socket.recv(64))

    def start_latency(self) -> float:
        """Seconds from publishing to the start of the task."""
        began = time.time()
        self.publish()
        return self.started() - began

    def tasks_per_second(self, count: int) -> float:
        """How fast the worker gets through a queue that is there already."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            for _ in range(count):
                self.publish()
        finally:
            began = time.time()
            os.kill(self.pid, signal.SIGCONT)
        last = began
        for _ in range(count):
            last = self.started()
        return count / (last - began)

    def stop(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.wait()
        self._connection.release()
        self._socket.close()


def main() -> None:
    """The worker."""
    url, address, concurrency = sys.argv[1:]
    app = _app(url)
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    @app.task(name="noop", ignore_result=True)
    def noop(_number: int) -> None:
        out.sendto(str(time.time()).encode(), address)

    assert urlsplit(url).scheme
    app.Worker(
        pool_cls="threads",
        concurrency=int(concurrency),
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    ).start()


if __name__ == "__main__":
    main()
