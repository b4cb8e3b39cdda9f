"""Reading answers: what came back is an object, a list, or the thing that was made; or it is nonsense."""

from __future__ import annotations

import re
from typing import Any

from shoal.discord.bodies import Response
from shoal.discord.errors import nonsense
from shoal.discord.routes import Route

__all__ = ["Json", "list_in", "made_in", "object_in"]

Json = dict[str, Any]


def object_in(response: Response) -> Json:
    """The answer's object; a compatible server that sends something else is survived with an empty one."""
    return response.data if isinstance(response.data, dict) else {}


def made_in(response: Response, route: Route, what: str) -> Json:
    """The object that was made, with its id as text.

    Raises:
        ServerError: there is none in the answer. It may have been made nevertheless: ambiguous.
    """
    data = object_in(response)
    made = data.get("id")
    text = str(made) if isinstance(made, str | int) and not isinstance(made, bool) else ""
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise nonsense(response.status, str(route), what)
    return {**data, "id": text}


def list_in(response: Response, route: Route) -> list[Json]:
    """The objects of the answer's list.

    Raises:
        ServerError: it is no list. To take that for an empty one would say that nothing is there.
    """
    if not isinstance(response.data, list):
        raise nonsense(response.status, str(route), "list")
    return [item for item in response.data if isinstance(item, dict)]
