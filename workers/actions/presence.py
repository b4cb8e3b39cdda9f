"""``set-presence``: what people see the bot do, through the gateway's list of commands."""

from __future__ import annotations

import msgspec

from workers.actions.base import Action, ActionContext, ActionError, Args, ArgumentError, Json

__all__ = ["PRESENCE_ACTIONS"]

STATUSES = ("online", "dnd", "idle", "invisible")
TYPES = {"playing": 0, "streaming": 1, "listening": 2, "watching": 3, "custom": 4, "competing": 5}
PRESENCE_UPDATE = 3


def _set(args: Args, context: ActionContext) -> Json:
    if context.sender_id is not None and not context.by_owner:
        # it is seen in every server of the bot, so no permission of one server is enough
        raise ActionError("Only an owner of the bot may change what it shows.")
    status = args.text("status", required=False) or "online"
    if status not in STATUSES:
        raise ArgumentError(f"status {status[:40]!r} is unknown; use one of {', '.join(STATUSES)}.")
    activities = []
    name = args.text("activityName", "activityState", required=False, most=128)
    if not name and args.raw("activityType") is not None:
        raise ArgumentError("activityName is missing.")
    if name:
        word = args.text("activityType", required=False) or "custom"
        if word not in TYPES:
            raise ArgumentError(f"activityType {word[:40]!r} is unknown; use one of {', '.join(TYPES)}.")
        activity: Json = {"name": name, "type": TYPES[word]}
        if word == "custom":
            activity |= {
                "name": "Custom Status",
                "state": args.text("activityState", "activityName", most=128),
            }
        elif args.raw("activityName") is not None and args.raw("activityState") is not None:
            activity["state"] = args.text("activityState", most=128)
        if word == "streaming":
            activity["url"] = args.text("activityUrl", most=512)
        activities.append(activity)
    data = {"since": None, "activities": activities, "status": status, "afk": False}
    context.command(msgspec.json.encode({"op": PRESENCE_UPDATE, "d": data}))
    return {"status": status, "activities": activities}


PRESENCE_ACTIONS = (
    Action(
        "set-presence",
        "presence",
        "your status; status, activityType, activityName, activityState, activityUrl",
        _set,
    ),
)
