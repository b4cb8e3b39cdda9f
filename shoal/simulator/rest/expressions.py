"""Emoji, stickers and scheduled events: made with Discord's limits, and refused as Discord refuses.

A picture is judged by its bytes; its pixels are not looked at.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from typing import Any

from shoal.simulator.errors import ApiError, forbidden, invalid_form, unknown
from shoal.simulator.model import Guild, Json
from shoal.simulator.permissions import CREATE_EVENTS, CREATE_EXPRESSIONS, VIEW, compute
from shoal.simulator.rest.guilds import guild_of, need_in_guild
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.forms import (
    Field,
    Problems,
    anything,
    integer,
    list_of,
    obj,
    snowflake,
    text,
    validate,
)

__all__: list[str] = []

MOST_EMOJI = 256 * 1024
MOST_STICKER = 512 * 1024
MOST_COVER = 10 * 1024 * 1024
EMOJI_SLOTS = 50
"""Of each kind, still and animated, on a server without boosts."""
STICKER_SLOTS = 5
OPEN_EVENTS = 100
_DATA_URI = re.compile(r"data:(image/(?:png|jpeg|gif|webp|avif));base64,([A-Za-z0-9+/=]+)")
_STARTS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",), "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"), "image/webp": (b"RIFF",), "image/avif": (b"\0\0\0",),
}  # fmt: skip
_FORMATS = {"png": 1, "apng": 2, "lottie": 3, "gif": 4}


def _image(most: int, *, coded: bool = True) -> Any:
    """A data URI whose bytes are what it says; not ``coded``: too large a one is refused without a code."""

    def check(value: Any, problems: Problems) -> Any:
        found = _DATA_URI.fullmatch(value) if isinstance(value, str) else None
        try:
            data = base64.b64decode(found.group(2), validate=True) if found else b""
        except binascii.Error:
            data = b""
        if found is None or not data.startswith(_STARTS[found.group(1)]):
            problems.add("IMAGE_INVALID", "Invalid image data")
        elif len(data) > most and not coded:
            raise ApiError(400, 0, f"File cannot be larger than {most / 1024:.1f} kb.")
        elif len(data) > most:
            problems.add("BINARY_TYPE_MAX_SIZE", f"File cannot be larger than {most / 1024:.1f} kb.")
        return value

    return check


def _word(value: Any, problems: Problems) -> str:
    """An emoji's name."""
    if not isinstance(value, str) or not 2 <= len(value) <= 32:
        problems.add("BASE_TYPE_BAD_LENGTH", "Must be between 2 and 32 in length.")
    elif not re.fullmatch(r"\w+", value, re.ASCII):
        problems.add("STRING_TYPE_REGEX", "String value did not match validation regex.")
    return str(value)


def _moment(value: Any, problems: Problems) -> str:
    try:
        dt.datetime.fromisoformat(str(value))
    except ValueError:
        problems.add("DATETIME_TYPE_PARSE", f"Could not parse {str(value)[:40]}. Should be ISO8601.")
    return str(value)


_EMOJI = obj(
    {
        "name": Field(_word, required=True),
        "image": Field(_image(MOST_EMOJI, coded=False), required=True),
        "roles": Field(list_of(snowflake)),
    }
)
_STICKER = obj(
    {
        "name": Field(text(2, 30), required=True),
        "description": Field(text(0, 100)),
        "tags": Field(text(1, 200), required=True),
    }
)
_EVENT = obj(
    {
        "name": Field(text(1, 100), required=True),
        "scheduled_start_time": Field(_moment, required=True),
        "scheduled_end_time": Field(_moment, nullable=True),
        "privacy_level": Field(integer(choices=(2,)), required=True),
        "entity_type": Field(integer(choices=(1, 2, 3)), required=True),
        "channel_id": Field(snowflake, nullable=True),
        "entity_metadata": Field(obj({"location": Field(text(1, 100), required=True)}), nullable=True),
        "description": Field(text(1, 1000), nullable=True),
        "image": Field(_image(MOST_COVER), nullable=True),
        "recurrence_rule": Field(anything, nullable=True),
    }
)


# -- emoji ---------------------------------------------------------------------------------------


@route("GET", "/guilds/{guild_id}/emojis")
def emojis(call: Call) -> Answer:
    """Custom emoji; who made them is told to those who may make some."""
    found = guild_of(call)
    return Answer(200, [_shown(call, found, one) for one in found.emojis])


@route("POST", "/guilds/{guild_id}/emojis")
def create_emoji(call: Call) -> Answer:
    """Make a custom emoji of an image."""
    found = guild_of(call)
    need_in_guild(call, found, CREATE_EXPRESSIONS)
    body = validate(_EMOJI, call.fields())
    if any(role_id not in found.roles for role_id in body.get("roles") or ()):
        raise unknown("role")
    animated = body["image"].startswith("data:image/gif")
    if sum(one["animated"] == animated for one in found.emojis) >= EMOJI_SLOTS:
        kind, code = ("animated emojis", 30018) if animated else ("emojis", 30008)
        raise ApiError(400, code, f"Maximum number of {kind} reached ({EMOJI_SLOTS})")
    made = {"id": call.core.world.new_id(), "name": body["name"], "roles": body.get("roles") or [],
            "animated": animated, "available": True, "managed": False, "require_colons": True,
            "user": _me(call)}  # fmt: skip
    found.emojis.append(made)
    call.core.events.expressions(found)
    return Answer(201, made)


# -- stickers ------------------------------------------------------------------------------------


@route("GET", "/guilds/{guild_id}/stickers")
def stickers(call: Call) -> Answer:
    """Stickers of the server."""
    found = guild_of(call)
    return Answer(200, [_shown(call, found, one) for one in found.stickers])


@route("POST", "/guilds/{guild_id}/stickers")
def create_sticker(call: Call) -> Answer:
    """Make a sticker of a form: fields of their own, and one file."""
    found = guild_of(call)
    need_in_guild(call, found, CREATE_EXPRESSIONS)
    body = validate(_STICKER, call.fields())
    if len(str(body.get("description") or "")) == 1:
        problem = {"code": "BASE_TYPE_BAD_LENGTH", "message": "Must be between 2 and 100 in length."}
        raise invalid_form({"description": {"_errors": [problem]}})
    if len(call.files) != 1:
        problem = {"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}
        raise invalid_form({"file": {"_errors": [problem]}})
    data = call.files[0][2]
    if len(data) > MOST_STICKER:
        problem = {"code": "BINARY_TYPE_MAX_SIZE", "message": "File cannot be larger than 512.0 kb."}
        raise invalid_form({"file": {"_errors": [problem]}})
    kind = _sticker_kind(data)
    if kind is None:
        raise ApiError(400, 50046, "Invalid Asset")
    if kind == "lottie" and not {"VERIFIED", "PARTNERED"} & set(found.features):
        raise forbidden()
    if len(found.stickers) >= STICKER_SLOTS:
        raise ApiError(400, 30039, f"Maximum number of stickers reached ({STICKER_SLOTS})")
    made = {"id": call.core.world.new_id(), "guild_id": found.id, "name": body["name"], "tags": body["tags"],
            "description": body.get("description") or None, "type": 2, "format_type": _FORMATS[kind],
            "available": True, "user": _me(call)}  # fmt: skip
    found.stickers.append(made)
    call.core.events.expressions(found)
    return Answer(201, made)


def _sticker_kind(data: bytes) -> str | None:
    if data.startswith(_STARTS["image/png"]):
        return "apng" if b"acTL" in data[:200] else "png"
    if data.startswith(_STARTS["image/gif"]):
        return "gif"
    try:
        drawing = json.loads(data)
    except ValueError:
        return None
    return "lottie" if isinstance(drawing, dict) and "layers" in drawing else None


def _me(call: Call) -> Json:
    user: Json = call.core.payloads.user(call.core.world.user(call.me))
    return user


def _shown(call: Call, found: Guild, thing: Json) -> Json:
    try:
        need_in_guild(call, found, CREATE_EXPRESSIONS)
    except ApiError:
        return {key: value for key, value in thing.items() if key != "user"}
    return thing


# -- scheduled events ----------------------------------------------------------------------------


@route("GET", "/guilds/{guild_id}/scheduled-events")
def events(call: Call) -> Answer:
    """Scheduled events."""
    return Answer(200, guild_of(call).scheduled)


@route("POST", "/guilds/{guild_id}/scheduled-events")
def create_event(call: Call) -> Answer:
    """Plan an event: a voice or stage one has a channel, an external one a place and an end."""
    found = guild_of(call)
    need_in_guild(call, found, CREATE_EVENTS)
    body = validate(_EVENT, call.fields())
    external = body["entity_type"] == 3
    _check_fields(body, external)
    _check_times(body)
    if not external:
        _check_channel(call, found, body)
    if len(found.scheduled) >= OPEN_EVENTS:
        raise ApiError(400, 30038, "Maximum number of uncompleted guild scheduled events reached (100)")
    cover = call.core.world.new_id() if body.pop("image", None) else None
    made = {"id": call.core.world.new_id(), "guild_id": found.id, "creator_id": call.me, "status": 1,
            "image": cover, "channel_id": None, "description": None, "entity_metadata": None,
            "scheduled_end_time": None, **body}  # fmt: skip
    found.scheduled.append(made)
    call.core.events.scheduled(found, made)
    return Answer(200, made)


def _check_fields(body: Json, external: bool) -> None:
    wanted = ("entity_metadata", "scheduled_end_time") if external else ("channel_id",)
    missing = {name: {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]}
               for name in wanted if body.get(name) is None}  # fmt: skip
    if missing:
        raise invalid_form(missing)


def _check_times(body: Json) -> None:
    """Nothing begins in the past or ends before it begins."""
    start = _aware(body["scheduled_start_time"])
    if start <= dt.datetime.now(dt.UTC):
        problem = {
            "code": "GUILD_SCHEDULED_EVENT_SCHEDULE_PAST",
            "message": "Cannot schedule event in the past.",
        }
        raise invalid_form({"scheduled_start_time": {"_errors": [problem]}})
    if body.get("scheduled_end_time") and _aware(body["scheduled_end_time"]) <= start:
        problem = {"code": "GUILD_SCHEDULED_EVENT_END_BEFORE_START", "message": "Must end after it starts."}
        raise invalid_form({"scheduled_end_time": {"_errors": [problem]}})


def _check_channel(call: Call, found: Guild, body: Json) -> None:
    channel = call.core.world.channel(body["channel_id"])
    if channel.guild_id != found.id:
        raise unknown("channel")
    if call.core.settings.permissions and not compute(call.core.world, channel, call.me) & VIEW:
        raise forbidden(50001)
    if channel.type != {1: 13, 2: 2}[body["entity_type"]]:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")


def _aware(value: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
