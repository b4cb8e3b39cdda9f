"""Scheduled events: listed, and planned with a picture (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import datetime as dt

from shoal.discord.permissions import Permission
from shoal.discord.routes import Route
from workers.actions.base import Action, ActionContext, Args, ArgumentError, Json, ask
from workers.actions.making import first_made, make, my_id
from workers.actions.pictures import SOURCES, data_uri, picture

__all__ = ["EVENT_ACTIONS"]

EVENTS = "/guilds/{guild_id}/scheduled-events"
TYPES = {"stage": 1, "voice": 2, "external": 3}
GUILD_ONLY = 2
"""The one privacy level Discord has."""
MOST_IMAGE = 8 * 1024 * 1024


def _list(args: Args, context: ActionContext) -> Json:
    return {"events": ask(context, Route("GET", EVENTS, guild_id=args.guild(context)))}


def _create(args: Args, context: ActionContext) -> Json:
    body, guild_id = _body(args, context), args.guild(context)

    def create() -> Json:
        made: Json = ask(context, Route("POST", EVENTS, guild_id=guild_id), json=body)
        return made

    def find(since: int) -> Json | None:
        there = ask(context, Route("GET", EVENTS, guild_id=guild_id))
        return first_made(there, since, name=body["name"], creator_id=my_id(context))

    return {"event": make(context, find, create)}


def _body(args: Args, context: ActionContext) -> Json:
    word = args.text("eventType", required=False) or "voice"
    kind = TYPES.get(word.lower())
    if kind is None:
        raise ArgumentError(f"eventType {word[:40]!r} is unknown; use one of {', '.join(TYPES)}.")
    start, about = args.moment("startTime"), args.text("desc", "description", required=False, most=1_000)
    if start <= dt.datetime.now(dt.UTC):
        raise ArgumentError("startTime is in the past.")
    body: Json = {
        "name": args.text("eventName", "name", most=100),
        "scheduled_start_time": start.isoformat(),
        "privacy_level": GUILD_ONLY,
        "entity_type": kind,
        **({"description": about} if about else {}),
    }
    if kind == TYPES["external"]:
        body["entity_metadata"] = {"location": args.text("location", most=100)}
        body["scheduled_end_time"] = args.moment("endTime").isoformat()
    else:
        body["channel_id"] = args.channel(context, "channelId")
        if args.raw("endTime") is not None:
            body["scheduled_end_time"] = args.moment("endTime").isoformat()
    if args.raw("endTime") is not None and args.moment("endTime") <= start:
        raise ArgumentError("endTime is not after startTime.")
    if args.raw(*SOURCES) is not None:
        file = picture(args, context, most=MOST_IMAGE, whose="the limit for pictures of events")
        body["image"] = data_uri(file)
    return body


EVENT_ACTIONS = (
    Action("event-list", "events", "scheduled events", _list),
    Action("event-create", "events", "plan an event; eventName, startTime, endTime, desc, eventType "
           "voice|stage|external, channelId or location, image (png, jpg, gif up to 8 MB)", _create,
           asks=Permission.CREATE_EVENTS),
)  # fmt: skip
