"""The calls under :class:`~shoal.simulator.control.Control`: one HTTP request each to ``/control``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from shoal.simulator.errors import ControlError

__all__ = ["Calls", "Json"]

Json = dict[str, Any]


class _From(HTTPAdapter):
    """Connects from a given address of this machine."""

    def __init__(self, source: str) -> None:
        self._from = (source, 0)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Pools whose sockets are bound first (called by requests)."""
        super().init_poolmanager(*args, source_address=self._from, **options)


class Calls:
    """Asks the simulator, and reads its answers.

    Args:
        base_url: origin of the simulator, such as ``http://127.0.0.1:8060``.
        timeout: seconds one call may take (long waits are cut into several calls).
        source: address of this machine to call from, where the simulator tells callers apart.

    Raises:
        ControlError: (of every call) the simulator refuses, or does not answer.
    """

    def __init__(self, base_url: str, *, timeout: float = 10.0, source: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._source = source

    def _one(self, method: str, path: str, **body: Any) -> Json:
        answer = self._call(method, path, body=body)
        if not isinstance(answer, dict):
            raise ControlError(f"{method} {path} of the simulator answered no object.")
        return answer

    def _many(self, path: str, **query: Any) -> list[Json]:
        answer = self._call("GET", path, query={k: str(v) for k, v in query.items() if v is not None})
        if not isinstance(answer, list):
            raise ControlError(f"GET {path} of the simulator answered no list.")
        return answer

    def _call(
        self, method: str, path: str, *, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        with requests.Session() as session:
            session.trust_env = False  # loopback: never through a proxy of the environment
            if self._source is not None:
                session.mount("http://", _From(self._source))
            try:
                answer = session.request(
                    method,
                    f"{self.base_url}/control{path}",
                    json=body if method != "GET" else None,
                    params=query,
                    timeout=self.timeout,
                )
            except requests.RequestException as error:
                raise ControlError(
                    f"The simulator at {self.base_url} did not answer {method} {path}: {error}.",
                    fix="Start it with `shoal simulator` and check the port.",
                ) from error
        if answer.status_code >= 400:
            raise ControlError(
                f"The simulator refused {method} {path}: {answer.text}.", status=answer.status_code
            )
        return answer.json()
