"""``dryRun``, ``--dry-run``: what would change something is shown, what only looks is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shoal.discord.mentions import guarded
from shoal.discord.rest import Rest
from shoal.discord.routes import Route
from shoal.discord.transport import Response
from workers.actions.base import ActionContext, Json

__all__ = ["Showing", "Shown", "shown"]


class Shown(Exception):
    """The first request that would have changed something."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        super().__init__("shown")


class Showing(Rest):
    """REST calls that stop at the first change."""

    def call(self, route: Route, **options: Any) -> Response:
        """Ask, or raise :class:`Shown`."""
        if str(route).startswith("GET "):
            return super().call(route, **options)
        shown: dict[str, Any] = {"route": str(route), "path": route.path}
        if options.get("json") is not None:
            mentions = self.transport.mentions
            shown["body"] = guarded(route.method, route.template, options["json"], mentions)
        if options.get("files"):
            shown["files"] = [file.filename for file in options["files"]]
        raise Shown(shown)


def shown(do: Callable[[ActionContext], Json], context: ActionContext) -> Json:
    """What an action would change, or its result if it only looks.

    Raises:
        ActionError: it would not be done. DiscordError, TransportError: from looking.
    """

    def command(payload: bytes) -> None:
        raise Shown({"gateway": payload.decode()})

    try:
        return do(replace(context, rest=Showing(context.rest.transport), command=command))
    except Shown as request:
        return {"ok": True, "dryRun": True, "request": request.request}
