"""Threads and forum posts: made, with their first message, and listed (``spec/outbound.md`` 2.6, 2.7)."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.base.errors import ShoalError
from shoal.base.ids import derive_nonce
from shoal.discord.mentions import NO_MENTIONS
from shoal.discord.wire import ChannelType
from workers.actions.base import Action, ActionContext, ActionError, Args, Json, ask
from workers.actions.messages import writable
from workers.delivery.chunks import chunk_text

__all__ = ["THREAD_ACTIONS"]

CHANNEL = "/channels/{channel_id}"
ARCHIVE_MINUTES = (60, 1440, 4320, 10080)
FORUMS = (ChannelType.GUILD_FORUM, ChannelType.GUILD_MEDIA)
REQUIRE_TAG = 1 << 4
MOST_CHARS = 24_000
ALL_LINES = 100_000
"""The soft limit of lines is for answers, not for the text of a thread (2.7)."""


def _create(args: Args, context: ActionContext) -> Json:
    """A thread of a message, a free one, or a post in a forum."""
    channel_id, name = writable(args, context), args.text("threadName", "name", most=100)
    text = args.text("message", "content", required=False, most=MOST_CHARS)
    body: Json = {"name": name}
    minutes = args.number("autoArchiveMin", "autoArchiveDuration", least=1, most=10_080)
    if minutes is not None:
        if minutes not in ARCHIVE_MINUTES:
            raise ActionError(f"autoArchiveMin must be one of {', '.join(map(str, ARCHIVE_MINUTES))}.")
        body["auto_archive_duration"] = minutes
    known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
    if known.get("type") in FORUMS:
        return _post(channel_id, known, body, text or name, args, context)
    path = f"{CHANNEL}/threads"
    values = {"channel_id": channel_id}
    if args.raw("messageId") is not None:
        path = f"{CHANNEL}/messages/{{message_id}}/threads"
        values["message_id"] = args.id("messageId")
    else:
        body["type"] = args.number("type", least=10, most=12, default=int(ChannelType.PUBLIC_THREAD))
    thread: Json = ask(context, "POST", path, **values, json=body)
    chunks = chunk_text(text, max_lines=ALL_LINES)
    return {"thread": thread, **_say(str(thread["id"]), chunks, context)}


def _post(channel_id: str, forum: Json, body: Json, text: str, args: Args, context: ActionContext) -> Json:
    """A post: its first message goes with it, the rest of a long text follows."""
    if args.raw("messageId") is not None:
        raise ActionError(
            "A forum has no messages to make a thread of.", fix="Leave messageId out: a post is made."
        )
    if args.raw("appliedTags") is not None:
        body["applied_tags"] = args.ids("appliedTags")
    elif int(forum.get("flags") or 0) & REQUIRE_TAG:
        tags = ", ".join(f"{tag.get('name')} ({tag.get('id')})" for tag in forum.get("available_tags") or ())
        raise ActionError("This forum wants a tag on every post.", fix=f"Give appliedTags one of: {tags}.")
    first, *rest = chunk_text(text, max_lines=ALL_LINES) or [str(body["name"])]
    body["message"] = {"content": first, "allowed_mentions": NO_MENTIONS}
    thread: Json = ask(context, "POST", f"{CHANNEL}/threads", channel_id=channel_id, json=body)
    return {"thread": thread, **_say(str(thread["id"]), rest, context)}


def _say(thread_id: str, chunks: Sequence[str], context: ActionContext) -> Json:
    """Write into a new thread. If that fails the thread stays, and the result says what is missing (2.7)."""
    sent: list[str] = []
    for number, chunk in enumerate(chunks):
        nonce = derive_nonce(thread_id, "first", number)
        try:
            made = context.rest.create_message(
                thread_id, nonce=nonce, content=chunk, allowed_mentions=NO_MENTIONS
            )
        except ShoalError as error:
            return {
                "partial": True,
                "warning": f"The thread was made; {len(sent)} of {len(chunks)} messages are in it.",
                "initialMessageError": error.message,
                "initialMessageDelivery": {
                    "delivered": len(sent), "total": len(chunks), "messageIds": sent,
                    "failedMayBeDelivered": error.ambiguous,
                },
            }  # fmt: skip
        sent.append(str(made["id"]))
    if not sent:
        return {}
    return {"initialMessageDelivery": {"delivered": len(sent), "total": len(chunks), "messageIds": sent}}


def _list(args: Args, context: ActionContext) -> Json:
    if not args.flag("includeArchived"):
        answer = ask(context, "GET", "/guilds/{guild_id}/threads/active", guild_id=args.guild(context))
        threads = answer.get("threads", [])
        if args.raw("channelId") is not None:
            threads = [one for one in threads if str(one.get("parent_id")) == args.channel(context)]
        if context.sender_id is not None:
            threads = [one for one in threads if _seen(one, context)]
        return {"threads": threads, "complete": True, "hasMore": False, "returnedCount": len(threads),
                "source": "active"}  # fmt: skip
    channel_id = args.channel(context, "channelId", "target")
    if context.sender_id is not None and not _seen({"id": channel_id}, context):
        raise ActionError("Discord read target channel is not allowed.")
    query: Json = {"limit": args.number("limit", least=2, most=100, default=50)}
    if args.raw("before") is not None:
        query["before"] = args.text("before")
    path = f"{CHANNEL}/threads/archived/public"
    answer = ask(context, "GET", path, channel_id=channel_id, query=query)
    threads, more = answer.get("threads", []), bool(answer.get("has_more"))
    made: Json = {"threads": threads, "complete": not more, "hasMore": more, "returnedCount": len(threads),
                  "source": "archived"}  # fmt: skip
    if more and threads:
        made["nextBefore"] = (threads[-1].get("thread_metadata") or {}).get("archive_timestamp")
    return made


def _seen(thread: Json, context: ActionContext) -> bool:
    """Whether the one who asked may know of a thread: the conversation, its threads, what may be read."""
    own = {str(thread.get("id")), str(thread.get("parent_id"))}
    return context.channel_id in own or context.may_read(str(thread.get("id")))


THREAD_ACTIONS = (
    Action("thread-create", "threads", "make a thread or forum post; threadName, messageId, message, "
           "autoArchiveMin, appliedTags", _create, repeatable=False),
    Action("thread-list", "threads", "threads; channelId, includeArchived, before, limit", _list),
)  # fmt: skip
