"""The arguments every action of the message tool has: what is said, where, and in answer to what.

Models write them under more than one name. What a send carries besides is read in
:mod:`workers.agent.tools.outgoing`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workers.agent.tools.registry import ToolContext, ToolError

__all__ = ["is_id", "listed", "reply_to_of", "target_of", "text_of"]

WITHOUT_TEXT = (
    "components", "media", "path", "filePath", "mediaUrl", "mediaUrls", "stickerId", "stickerIds",
    "pollQuestion", "embeds",
)  # fmt: skip
"""Arguments with which a message needs no text."""

_CHANNEL = re.compile(r"(?:discord:)?(?:channel:)?(\d{5,25})|<#(\d{5,25})>")
_SNOWFLAKE = re.compile(r"\d{5,25}")


def is_id(value: str) -> bool:
    """Whether this can be an id of Discord."""
    return _SNOWFLAKE.fullmatch(value) is not None


def listed(value: Any) -> list[Any]:
    """One thing or a list of them, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def text_of(args: Mapping[str, Any]) -> str:
    """The text to send; empty where something else stands for it.

    Raises:
        ToolError: there is nothing to send.
    """
    for name in ("message", "content", "text", "body"):
        value = args.get(name)
        if isinstance(value, str):
            return value
    if any(args.get(name) for name in WITHOUT_TEXT):
        return ""
    raise ToolError("The argument message is missing.")


def reply_to_of(args: Mapping[str, Any]) -> str | None:
    """The message to answer to.

    Raises:
        ToolError: that is no id.
    """
    value = args.get("replyTo") or args.get("reply_to") or args.get("replyToId")
    if value is None or value == "":
        return None
    if not is_id(str(value)):
        raise ToolError(f"replyTo {value!r} is no message id.")
    return str(value)


def target_of(args: Mapping[str, Any], context: ToolContext) -> str:
    """The channel to act in. Other places than the conversation are for owners, within the guild (R16).

    Raises:
        ToolError: it is no channel, or not one that may be written to from here.
    """
    request = context.request
    value = str(
        args.get("target") or args.get("to") or args.get("channelId") or args.get("threadId") or ""
    ).strip()
    if value in ("", "current", "here", request.target, request.channel_id):
        return request.channel_id
    if value.removeprefix("user:") == request.author_id and request.chat_type == "direct":
        return request.channel_id
    match = _CHANNEL.fullmatch(value)
    if match is None:
        raise ToolError(f'The target {value[:80]!r} is unknown; write "channel:<id>" or leave it out.')
    channel_id = match.group(1) or match.group(2)
    if channel_id == request.channel_id:
        return channel_id
    if request.authority != "owner" or not request.guild_id:
        raise ToolError("Only this conversation can be written to here.")
    fact = context.store.facts.channel(request.account, channel_id)
    if fact is None or str(fact.get("guild_id")) != request.guild_id:
        raise ToolError("That channel is not in this server.")
    return str(channel_id)
