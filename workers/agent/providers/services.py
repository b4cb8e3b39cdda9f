"""HTTP clients of the services beside a model (speech in, speech out): the model calls' way out.

Traffic goes as model calls do: through the provider's own proxy, else the account's; a service on this
machine is reached directly.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from shoal.base.proxy import Proxy
from workers.agent.providers.pool import goes_direct

if TYPE_CHECKING:
    import httpx2

__all__ = ["RETRY_STATUS", "ServiceClients"]

RETRY_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""Answers after which the same request may work."""


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
