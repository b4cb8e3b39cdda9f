"""HTTP clients of the services beside a model (speech in, speech out): the model calls' way out.

A service that fails for a passing reason is asked again, after a pause: its own ``Retry-After``, else ours.

Traffic goes as model calls do: through the provider's own proxy, else the account's; a service on this
machine is reached directly.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from shoal.base.errors import ShoalError
from shoal.base.proxy import Proxy
from workers.agent.providers.pool import goes_direct

if TYPE_CHECKING:
    import httpx2

__all__ = ["RETRY_STATUS", "ServiceClients", "ServiceFailed", "persist", "retry_after"]

RETRY_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""Answers after which the same request may work."""
FIRST_PAUSE_S = 0.5
MOST_PAUSE_S = 8.0
SLICE_S = 0.25

T = TypeVar("T")


class ServiceFailed(ShoalError):
    """A service did not do what it was asked.

    Attributes:
        again: whether the same request may work later.
        wait_s: seconds after which the service wants to be asked again, where it said so.
    """

    code = "service-failed"

    def __init__(self, message: str, *, again: bool = False, wait_s: float | None = None) -> None:
        self.again = again
        self.wait_s = wait_s
        super().__init__(message)


def persist(once: Callable[[], T], *, ends: float, check: Callable[[], None], tries: int | None = None) -> T:
    """Ask until the service answers.

    Args:
        once: asks one time.
        ends: monotonic seconds after which nobody waits for another try.
        check: called while we wait; what it raises ends the call.
        tries: at most so many.

    Raises:
        ServiceFailed: what the last try raised.
    """
    pause, done = FIRST_PAUSE_S, 0
    while True:
        try:
            return once()
        except ServiceFailed as failure:
            done += 1
            wait = pause * random.uniform(0.8, 1.2) if failure.wait_s is None else failure.wait_s
            if not failure.again or done == tries or time.monotonic() + wait >= ends:
                raise
        pause = min(2 * pause, MOST_PAUSE_S)
        _sleep(wait, check)


def retry_after(answer: httpx2.Response) -> float | None:
    """Seconds that an answer asks to wait, or none."""
    try:
        return max(0.0, float(answer.headers.get("retry-after", "")))
    except ValueError:
        return None  # absent, or a date


def _sleep(seconds: float, check: Callable[[], None]) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        check()
        time.sleep(min(left, SLICE_S))


class ServiceClients:
    """Clients by address and proxy, kept with their connections. Thread-safe.

    Args:
        proxy: the account's; a service's own wins.
        ca_file: PEM bundle trusted besides the usual authorities.
    """

    def __init__(self, *, proxy: Proxy | None, ca_file: str | None) -> None:
        self._proxy = proxy
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, float], httpx2.Client] = {}

    def get(self, base_url: str, own: Proxy | None, *, idle_s: float) -> httpx2.Client:
        """The client of a service.

        Args:
            own: the service's own proxy.
            idle_s: longest silence while an answer is awaited.
        """
        from workers.agent.providers.http import model_http_client

        key = (base_url, own.masked() if own is not None else "", idle_s)
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                proxy = own or self._proxy
                if own is None and proxy is not None and goes_direct(base_url, proxy):
                    proxy = None
                client = model_http_client(proxy, idle_s=idle_s, ca_file=self._ca_file)
                self._clients[key] = client
            return client

    def close(self) -> None:
        """Give up pooled connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()
