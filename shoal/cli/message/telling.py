"""``--verbose``: each request on standard error, as it ends."""

from __future__ import annotations

import sys
import time
from typing import Any

from shoal.base.errors import ShoalError
from shoal.discord.rest import Rest
from shoal.discord.routes import Route
from shoal.discord.transport import Response

__all__ = ["Telling"]


class Telling(Rest):
    """REST calls that are told of."""

    def call(self, route: Route, **options: Any) -> Response:
        """Ask, and say how it went. Raises as :meth:`Rest.call`."""
        started = time.monotonic()
        try:
            answer = super().call(route, **options)
        except ShoalError as error:
            self._say(route, f"failed after {_ms(started)} ms: {error.code}")
            raise
        tries = f", {answer.attempts} tries" if answer.attempts > 1 else ""
        self._say(route, f"{answer.status} in {_ms(started)} ms{tries}")
        return answer

    def _say(self, route: Route, what: str) -> None:
        way = self.transport.proxy_label
        print(f"{route.method} {route.path}{f' through {way}' if way else ''}: {what}", file=sys.stderr)


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
