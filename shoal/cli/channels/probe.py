"""Asking Discord about an account: does its token work, has it its intents, may it do what its config says.

Only places that are named by id are audited; names are counted (``spec/outbound.md`` 10, channels).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shoal.base.errors import ShoalError
from shoal.discord.errors import DiscordError
from shoal.discord.permissions import Permission, missing_names, permissions_in
from shoal.discord.routes import Route
from shoal.discord.wire import ChannelType, is_thread

if TYPE_CHECKING:
    from config.schema.discord import DiscordConfig
    from shoal.discord.rest import Rest

__all__ = ["TEXT", "THREADS", "VOICE", "audit", "intents_of", "places_of", "probe"]

Json = dict[str, Any]
P = Permission
TEXT = P.VIEW_CHANNEL | P.SEND_MESSAGES
THREADS = P.VIEW_CHANNEL | P.SEND_MESSAGES_IN_THREADS
VOICE = P.VIEW_CHANNEL | P.CONNECT | P.SPEAK | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY
_VOICE_TYPES = (ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE)
_INTENTS = {"messageContent": (18, 19), "guildMembers": (14, 15), "presence": (12, 13)}
"""Bits of an application's flags: granted, and granted while the bot is in fewer than 100 servers."""


def intents_of(application: Json) -> dict[str, str]:
    """Each privileged intent of an application: ``enabled``, ``limited`` or ``disabled``."""
    flags = int(application.get("flags") or 0)
    return {
        name: "enabled" if flags >> full & 1 else "limited" if flags >> limited & 1 else "disabled"
        for name, (full, limited) in _INTENTS.items()
    }


@dataclass
class Asker:
    """Questions to Discord that must be answered by a moment; each is asked once.

    Attributes:
        ends: when patience ends, by ``time.monotonic``.
    """

    rest: Rest
    ends: float
    known: dict[str, Json] = field(default_factory=dict)

    def get(self, path: str, **ids: str) -> Json:
        """One object.

        Raises:
            TimeoutError: no time is left.
            ShoalError: Discord refused, or could not be reached.
        """
        route = Route("GET", path, **ids)
        if route.path not in self.known:
            left = self.ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            answer = self.rest.call(route, timeout=max(0.05, left), most_wait=left).data
            self.known[route.path] = answer if isinstance(answer, dict) else {}
        return self.known[route.path]


def probe(rest: Rest, timeout_ms: int) -> Json:
    """Whether the token works: ``{ok, elapsedMs, bot, application: {id, intents}}``, or ``{ok, error}``."""
    started = time.monotonic()
    asker = Asker(rest, started + timeout_ms / 1000)
    try:
        me, application = asker.get("/users/@me"), asker.get("/applications/@me")
    except TimeoutError:
        return {"ok": False, "error": f"no answer within {timeout_ms} ms", "elapsedMs": _since(started)}
    except ShoalError as error:
        return {"ok": False, "error": error.message, "fix": error.fix, "elapsedMs": _since(started)}
    return {
        "ok": True,
        "elapsedMs": _since(started),
        "bot": {"id": me.get("id"), "username": me.get("username")},
        "application": {"id": application.get("id"), "intents": intents_of(application)},
    }


def places_of(settings: DiscordConfig) -> tuple[dict[str, str], int]:
    """Channels of a config by id, each ``text`` or ``voice``; and how many are named by name."""
    found: dict[str, str] = {}
    names = 0
    for guild in (settings.guilds or {}).values():
        for key, entry in (guild.channels or {}).items():
            if key == "*" or entry.enabled is False:
                continue
            if key.isascii() and key.isdigit():
                found[key] = "text"
            else:
                names += 1
    voice = settings.voice
    if voice is not None and voice.enabled:
        found |= {str(one.channel_id): "voice" for one in voice.auto_join}
    return found, names


def audit(rest: Rest, settings: DiscordConfig, timeout_ms: int) -> Json:
    """What the bot lacks where it is to act: ``{ok, checkedChannels, unresolvedChannels, channels}``."""
    started = time.monotonic()
    places, names = places_of(settings)
    asker = Asker(rest, started + timeout_ms / 1000)
    channels = list(_audited(asker, places))
    return {
        "ok": all(one["ok"] for one in channels),
        "elapsedMs": _since(started),
        "checkedChannels": len(channels),
        "unresolvedChannels": names,
        "channels": channels,
    }


def _audited(asker: Asker, places: dict[str, str]) -> Iterator[Json]:
    for channel_id, use in places.items():
        row: Json = {"channelId": channel_id, "use": use}
        try:
            name, missing = _missing(asker, channel_id, use)
        except TimeoutError:
            yield {**row, "ok": False, "error": "there was no time left to look at it"}
        except DiscordError as error:
            hidden = error.status in (403, 404)
            said = "there is no such channel, or the bot cannot see it" if hidden else error.message
            lacking = list(missing_names(P(0), P.VIEW_CHANNEL)) if error.status == 403 else []
            yield {**row, "ok": False, "missing": lacking, "error": said}
        except ShoalError as error:
            yield {**row, "ok": False, "error": error.message}
        else:
            yield {**row, "name": name, "ok": not missing, "missing": list(missing)}


def _missing(asker: Asker, channel_id: str, use: str) -> tuple[str, tuple[str, ...]]:
    """Name of a channel, and which permissions the bot lacks there for its use."""
    channel = asker.get("/channels/{channel_id}", channel_id=channel_id)
    kind, guild_id = int(channel.get("type") or 0), str(channel.get("guild_id") or "")
    name = str(channel.get("name") or "")
    if not guild_id:
        return name, ()
    me = str(asker.get("/users/@me").get("id"))
    guild = asker.get("/guilds/{guild_id}", guild_id=guild_id)
    member = asker.get("/guilds/{guild_id}/members/{user_id}", guild_id=guild_id, user_id=me)
    parent = None
    if is_thread(kind):
        parent = asker.get("/channels/{channel_id}", channel_id=str(channel.get("parent_id")))
    have = permissions_in(guild, guild.get("roles") or (), channel, member, me, parent=parent)
    needed = VOICE if use == "voice" or kind in _VOICE_TYPES else THREADS if is_thread(kind) else TEXT
    return name, missing_names(have, needed)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
