"""Asking Discord what there is: guilds, channels, members; for names that people write into a config."""

from __future__ import annotations

from typing import Any

from shoal.discord.errors import BadRequest, Forbidden, NotFound
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.routes import Route

__all__ = ["RestDirectory"]

Json = dict[str, Any]
_GUILDS = Route("GET", "/users/@me/guilds")
_PAGE = 200
_MOST_GUILDS = 10_000


class RestDirectory:
    """Look-ups of one account. Housekeeping: they wait behind what people wait for.

    Every method may raise what :meth:`shoal.discord.transport.Transport.request` raises.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def guilds(self) -> list[Json]:
        """The bot's guilds with id and name."""
        found: list[Json] = []
        while len(found) < _MOST_GUILDS:
            after = {"after": found[-1]["id"]} if found else {}
            page = self._list(_GUILDS, limit=_PAGE, **after)
            found += page
            if len(page) < _PAGE:
                break
        return found

    def channels(self, guild_id: str) -> list[Json]:
        """Channels of a guild, and the threads that are active."""
        channels = self._list(Route("GET", "/guilds/{guild_id}/channels", guild_id=guild_id))
        active = self._get(Route("GET", "/guilds/{guild_id}/threads/active", guild_id=guild_id))
        threads = active.get("threads") if isinstance(active, dict) else None
        return channels + [thread for thread in threads or () if isinstance(thread, dict)]

    def channel(self, channel_id: str) -> Json | None:
        """One channel or thread; ``None`` where there is none or the bot cannot see it."""
        return self._one(Route("GET", "/channels/{channel_id}", channel_id=channel_id))

    def members(self, guild_id: str, name: str) -> list[Json]:
        """Members whose username or nick begins with ``name``; none where Discord refuses the search."""
        route = Route("GET", "/guilds/{guild_id}/members/search", guild_id=guild_id)
        try:
            return self._list(route, query=name, limit=100)
        except Forbidden:
            return []

    def user(self, user_id: str) -> Json | None:
        """One user; ``None`` where there is none."""
        return self._one(Route("GET", "/users/{user_id}", user_id=user_id))

    def emojis(self, guild_id: str) -> list[Json]:
        """Custom emojis of a guild; none where Discord refuses."""
        try:
            return self._list(Route("GET", "/guilds/{guild_id}/emojis", guild_id=guild_id))
        except Forbidden:
            return []

    def _get(self, route: Route, **query: Any) -> Any:
        return self._rest.call(route, query=query or None, priority=Priority.BACKGROUND).data

    def _list(self, route: Route, **query: Any) -> list[Json]:
        data = self._get(route, **query)
        return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []

    def _one(self, route: Route) -> Json | None:
        try:
            data = self._get(route)
        except (NotFound, Forbidden, BadRequest):
            return None
        return data if isinstance(data, dict) else None
