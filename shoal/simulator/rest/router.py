"""Which function serves which route.

A handler is ``def handler(call: Call) -> Answer`` under ``@route("GET", "/channels/{channel_id}")``. Among
routes that fit a path the one with literal words further left wins (``/users/@me``, not
``/users/{user_id}``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from shoal.simulator.errors import ApiError
from shoal.simulator.model import Application, Channel, Json

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["Answer", "Call", "Handler", "Route", "match", "route"]

MAJORS = ("channel_id", "guild_id", "webhook_id", "interaction_id")


@dataclass(slots=True)
class Answer:
    """Status and JSON body (None: no body)."""

    status: int = 200
    body: Any = None


@dataclass(slots=True)
class Call:
    """One request, parsed."""

    core: Core
    bot: Application | None
    params: dict[str, str]
    query: dict[str, list[str]]
    body: Any = None
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    reason: str | None = None

    @property
    def me(self) -> str:
        """The id of the bot that calls."""
        if self.bot is None:
            raise ApiError(401, 0, "401: Unauthorized")
        return self.bot.id

    def channel(self) -> Channel:
        """The channel of the path."""
        return self.core.world.channel(self.params["channel_id"])

    def fields(self) -> Json:
        """The body as an object; an absent one is empty."""
        return self.body if isinstance(self.body, dict) else {}

    def arg(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else None

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query within its bounds, or 50035."""
        text = self.arg(name)
        if text is None:
            return default
        if not text.isdigit() or not low <= int(text) <= high:
            code = "NUMBER_TYPE_COERCE" if not text.isdigit() else "NUMBER_TYPE_MAX"
            problem = {"code": code, "message": f"int value should be between {low} and {high}."}
            raise ApiError(400, 50035, "Invalid Form Body", {name: {"_errors": [problem]}})
        return int(text)


Handler: TypeAlias = "Callable[[Call], Answer]"


@dataclass(frozen=True, slots=True)
class Route:
    """A route. ``auth`` false: no token needed (interaction answers, webhooks with a token)."""

    method: str
    template: str
    handler: Handler
    auth: bool = True

    @property
    def words(self) -> list[str]:
        """The parts of the template."""
        return self.template.strip("/").split("/")

    @property
    def name(self) -> str:
        """``POST /channels/{channel_id}/messages``."""
        return f"{self.method} {self.template}"


_ROUTES: list[Route] = []


def route(method: str, template: str, *, auth: bool = True) -> Callable[[Handler], Handler]:
    """Register a handler."""

    def register(handler: Handler) -> Handler:
        _ROUTES.append(Route(method, template, handler, auth))
        return handler

    return register


def match(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a path (after ``/api/v10``) and its parameters, percent-decoded.

    Raises:
        ApiError: 404 when no route fits, 405 when only other methods do.
    """
    words = path.strip("/").split("/")
    fitting: list[tuple[tuple[bool, ...], Route, dict[str, str]]] = []
    for candidate in _ROUTES:
        names = candidate.words
        if len(names) != len(words):
            continue
        params: dict[str, str] = {}
        literal = []
        for name, word in zip(names, words, strict=True):
            literal.append(not name.startswith("{"))
            if name.startswith("{"):
                params[name[1:-1]] = unquote(word)
            elif name != unquote(word):
                break
        else:
            fitting.append((tuple(literal), candidate, params))
    if not fitting:
        raise ApiError(404, 0, "404: Not Found")
    served = [entry for entry in fitting if entry[1].method == method]
    if not served:
        raise ApiError(405, 0, "405: Method Not Allowed")
    _, best, params = max(served, key=lambda entry: entry[0])
    return best, params


def major(params: dict[str, str]) -> str:
    """The top-level resource of a call, as the rate limiter counts it."""
    for name in MAJORS:
        if name in params:
            return f"{params[name]}:{params.get('webhook_token', '')}"
    return ""
