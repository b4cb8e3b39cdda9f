"""Reactions: ours added and taken away, everybody's listed (``spec/outbound.md`` 7.3, 7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shoal.base.ids import MessageId
from shoal.discord.errors import NotFound
from shoal.discord.routes import Route
from workers.actions.base import Action, ActionContext, Args, ArgumentError, Json
from workers.actions.reach import readable, writable

__all__ = ["REACTION_ACTIONS"]

REACTION = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}"
_CUSTOM = re.compile(r"<?(?:a:|:)?(\w{1,32}):(\d{5,25})>?", re.ASCII)
_VARIATIONS = re.compile("[\ufe0e\ufe0f]")
_NO_EMOJI = 10014


def _react(args: Args, context: ActionContext) -> Json:
    """Adds our reaction; ``remove`` takes it away, an empty emoji all that are ours."""
    channel_id, message_id = _place(args, context), args.message(context)
    emoji, remove = _emoji(args), args.flag("remove")
    if not emoji:
        if remove:
            raise ArgumentError(
                "Give the emoji to take away.", fix='Without remove, emoji "" takes all away.'
            )
        if not args.has("emoji"):
            raise ArgumentError("The argument emoji is missing.")
        return {"removed": _remove_all(channel_id, message_id, context)}
    if remove:
        context.rest.delete_own_reaction(channel_id, message_id, emoji)
        return {"removed": emoji}
    try:
        context.rest.create_reaction(channel_id, message_id, emoji)
    except NotFound as error:
        if error.json_code != _NO_EMOJI or ":" in emoji:
            raise
        raise ArgumentError(
            f"Discord knows no emoji {emoji[:40]!r}.", fix="A custom one is name:id."
        ) from None
    return {"added": emoji}


def _place(args: Args, context: ActionContext) -> str:
    """The channel of the message; the first one of a thread is in the channel above."""
    channel_id = writable(args, context)
    if (channel_id, args.message(context)) == (context.channel_id, context.message_id):
        return context.message_channel_id or channel_id
    return channel_id


def _emoji(args: Args) -> str:
    """An emoji as it stands in a path: ``name:id``, or a Unicode one without variation selectors."""
    text = str(args.raw("emoji") or "").strip()
    custom = _CUSTOM.fullmatch(text)
    return f"{custom.group(1)}:{custom.group(2)}" if custom else _VARIATIONS.sub("", text)


def _remove_all(channel_id: str, message_id: MessageId, context: ActionContext) -> list[str]:
    message = context.rest.get_message(channel_id, message_id)
    mine = [_raw(one.get("emoji") or {}) for one in message.get("reactions") or () if one.get("me")]
    for emoji in mine:
        context.rest.delete_own_reaction(channel_id, message_id, emoji)
    return mine


def _reactions(args: Args, context: ActionContext) -> Json:
    channel_id, message_id = readable(args, context), args.message(context)
    limit = args.number("limit", least=1, most=100, default=100) or 100
    message = context.rest.get_message(channel_id, message_id)
    found = []
    for reaction in message.get("reactions") or []:
        emoji = reaction.get("emoji") or {}
        raw = _raw(emoji)
        route = Route("GET", REACTION, channel_id=channel_id, message_id=message_id, emoji=raw)
        users = context.rest.call(route, query={"limit": limit}).data
        found.append(
            {
                "emoji": {"id": emoji.get("id"), "name": emoji.get("name"), "raw": raw},
                "count": reaction.get("count", 0),
                "users": [_user(user) for user in users],
            }
        )
    return {"reactions": found}


def _raw(emoji: Mapping[str, Any]) -> str:
    name = str(emoji.get("name") or "")
    return f"{name}:{emoji['id']}" if emoji.get("id") else name


def _user(user: Mapping[str, Any]) -> Json:
    number = str(user.get("discriminator") or "0").strip("0")
    tag = f"{user.get('username')}#{user['discriminator']}" if number else user.get("username")
    return {"id": user["id"], "username": user.get("username"), "tag": tag}


REACTION_ACTIONS = (
    Action("react", "reactions", "react to a message; emoji, messageId (default: the current one), remove; "
           'emoji "" takes all yours away', _react, users=True),
    Action("reactions", "reactions", "who reacted to a message; messageId, limit", _reactions),
)  # fmt: skip
