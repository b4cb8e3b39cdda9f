"""Times and places as a prompt writes them (``spec/inbound.md`` 6.4)."""

from __future__ import annotations

import datetime as dates
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.schema.agents import AgentDefaults
from shoal.base.logging import get_logger
from workers.sessions.records import TurnRequest
from workers.sessions.untrusted import header_value

__all__ = [
    "LOCAL",
    "UTC",
    "EnvelopeOptions",
    "elapsed",
    "envelope_options",
    "place_label",
    "stamp",
    "zone_name",
]

LOCAL = "local"
"""The zone of the host that runs the turn."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EnvelopeOptions:
    """``agents.defaults.envelope*`` and ``timeFormat``.

    Attributes:
        timezone: IANA name, or :data:`LOCAL`.
        timestamp: show when a message was written.
        elapsed: show how long ago the session was last active.
        hours: 12 or 24.
    """

    timezone: str = LOCAL
    timestamp: bool = True
    elapsed: bool = True
    hours: Literal[12, 24] = 24


UTC = EnvelopeOptions("UTC")
"""What is in force where nothing says otherwise."""


def envelope_options(defaults: AgentDefaults) -> EnvelopeOptions:
    """The options in force. Without ``envelopeTimezone`` times are the user's, else the host's."""
    wanted = (defaults.envelope_timezone or "").strip()
    user = defaults.user_timezone or LOCAL
    named = {"": user, "user": user, "local": LOCAL, "host": LOCAL, "utc": "UTC", "gmt": "UTC"}
    return EnvelopeOptions(
        timezone=named.get(wanted.lower(), wanted),
        timestamp=defaults.envelope_timestamp != "off",
        elapsed=defaults.envelope_elapsed != "off",
        hours=12 if defaults.time_format == "12" else 24,
    )


def stamp(ms: int, options: EnvelopeOptions) -> str:
    """``Wed 2023-11-15 06:13:20 CST`` for a time in Unix ms; empty if it is unknown or not wanted."""
    if ms <= 0 or not options.timestamp:
        return ""
    zone = _zone(options.timezone)
    when = datetime.fromtimestamp(ms / 1000, zone) if zone else datetime.fromtimestamp(ms / 1000).astimezone()
    clock = when.strftime("%I:%M:%S %p").lstrip("0") if options.hours == 12 else when.strftime("%H:%M:%S")
    return f"{when:%a %Y-%m-%d} {clock} {when:%Z}"


def elapsed(ms: int, since_ms: int, options: EnvelopeOptions) -> str:
    """``+5m`` from ``since_ms`` to ``ms``, in s, m, h or d; empty if it is unknown or not wanted."""
    seconds = (ms - since_ms) // 1000
    if not options.elapsed or since_ms <= 0 or ms <= 0 or seconds < 0:
        return ""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"+{seconds // size}{unit}"
    return f"+{seconds}s"


def place_label(request: TurnRequest) -> str:
    """Where a message was written: person, ``Guild #channel``, thread or group, with its id."""
    name = header_value(request.channel_name)
    if request.chat_type == "direct":
        return f"{header_value(request.author_tag or request.author_name)} user id:{request.author_id}"
    if request.chat_type == "group":
        return f"Group DM #{name or request.channel_id}"
    if request.is_thread and name:
        return name
    return f"{header_value(request.guild_name)} #{name} channel id:{request.channel_id}".strip()


def zone_name(name: str) -> str:
    """What to call a zone; for the host's its abbreviation."""
    return datetime.now().astimezone().tzname() or "UTC" if name == LOCAL else name


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    """The zone, or ``None`` for the host's."""
    if name == LOCAL:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        log.warning("this machine does not know a time zone, UTC is used", timezone=name)
        return dates.UTC
