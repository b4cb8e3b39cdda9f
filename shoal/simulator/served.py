"""A server in a thread of its own: what the simulated Discord and the model server have in common."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self

from tornado.httpserver import HTTPServer

from shoal.simulator.errors import SimulatorError
from shoal.simulator.log import EventLog

__all__ = ["Served"]


class Served(ABC):
    """Starts and stops; usable as a context manager.

    Args:
        host: a loopback address.
        port: 0 takes a free one.
        log: closed at the end.
    """

    title: ClassVar[str]
    """What it is called in errors."""

    def __init__(self, host: str, port: int, log: EventLog) -> None:
        self._host, self._port, self._log = host, port, log
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: OSError | None = None

    def start(self) -> Self:
        """Listen; returns once requests are served.

        Raises:
            SimulatorError: the port is taken.
        """
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve()), name=type(self).__name__, daemon=True
        )
        self._thread.start()
        self._started.wait()
        self.check()
        return self

    def stop(self) -> None:
        """Close everything and wait for the thread; a second call does nothing."""
        if self._thread is None or self._loop is None or self._end is None:
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._thread = None

    def request_stop(self) -> None:
        """Let ``serve`` end; from the loop's own thread."""
        if self._end is not None:
            self._end.set()

    def check(self) -> None:
        """Raises :class:`SimulatorError` if it could not listen."""
        if self._failure is not None:
            raise SimulatorError(
                f"{self.title} cannot listen on {self._host}:{self._port}: {self._failure}.",
                fix="Choose another port.",
            ) from self._failure

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped, in the running loop; ``ready`` is called once it listens."""
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = self._listen()
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self._started.set()
        ready()
        await self._end.wait()
        server.stop()
        self._cut()
        await server.close_all_connections()
        self._log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _listen(self) -> HTTPServer:
        """The server, bound. Raises OSError."""

    def _cut(self) -> None:  # noqa: B027 - most have nothing of the kind
        """End what would not end by itself."""
