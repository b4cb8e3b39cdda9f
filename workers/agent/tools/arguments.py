"""The arguments every action of the message tool has: what is said, and where.

Models write them under more than one name. What a send carries besides, and what it answers to, is read in
:mod:`workers.actions.extras`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.discord.wire import ChannelType
from workers.access.slugs import key_matches
from workers.agent.tools.registry import ToolContext, ToolError
from workers.delivery.targets import Target, TargetError, parse_target

__all__ = ["TARGETS", "listed", "target_of", "text_of"]

WITHOUT_TEXT = (
    "components", "presentation", "media", "path", "filePath", "mediaUrl", "mediaUrls", "stickerId",
    "stickerIds", "pollQuestion", "embeds", "asVoice",
)  # fmt: skip
"""Arguments with which a message needs no text."""


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


TARGETS = ("threadId", "target", "to", "channelId")
"""Arguments that say where to; a thread goes before its channel (``spec/outbound.md`` 2.4)."""


def target_of(args: Mapping[str, Any], context: ToolContext) -> str:
    """The channel to act in. Other places than the conversation are for owners, within the guild (R16).

    Raises:
        ToolError: it is no channel, or not one that may be written to from here.
    """
    request = context.request
    value = next((str(args[name]).strip() for name in TARGETS if args.get(name)), "")
    if value in ("", "current", "here", request.target, request.channel_id):
        return request.channel_id
    target = _target(value, context)
    direct = request.chat_type == "direct"
    if target.id == request.channel_id or (direct and target == Target("user", request.author_id)):
        return request.channel_id
    if target.kind == "user" or request.authority != "owner" or not request.guild_id:
        raise ToolError("Only this conversation can be written to here.")
    fact = context.store.facts.channel(request.account, target.id)
    if fact is None or str(fact.get("guild_id")) != request.guild_id:
        raise ToolError("That channel is not in this server.")
    return target.id


def _target(value: str, context: ToolContext) -> Target:
    """A target as it is written, or the channel of this server that is called so (2.1-2.3)."""
    request = context.request
    people = (request.author_id,) if request.chat_type == "direct" else ()
    try:
        return parse_target(value, default="channel", allow_from=people)
    except TargetError:
        found = _called(value.removeprefix("channel:").removeprefix("#"), context)
    if len(found) == 1:
        return Target("channel", found[0])
    if found:
        raise ToolError(
            f"Several channels are called {value[:80]!r}: {', '.join(found)}. Name one by its id."
        )
    raise ToolError(f'The target {value[:80]!r} is unknown; write "channel:<id>" or leave it out.')


def _called(name: str, context: ToolContext) -> list[str]:
    request = context.request
    if not request.guild_id:
        return []
    channels = context.store.facts.channels(request.account, request.guild_id)
    named = [one for one in channels if key_matches(name, id=str(one["id"]), name=str(one.get("name") or ""))]
    return [str(one["id"]) for one in named if one.get("type") != ChannelType.GUILD_CATEGORY]
