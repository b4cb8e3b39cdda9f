"""Threads and forum posts: made, with their first message, and listed (``spec/outbound.md`` 2.6, 2.7)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId, ThreadId, derive_nonce
from shoal.discord.errors import NotFound
from shoal.discord.mentions import NO_MENTIONS
from shoal.discord.routes import Route
from shoal.discord.wire import FORUM_NEEDS_TAG, FORUMS, ChannelType, is_thread
from workers.actions.base import (
    ARCHIVE_MINUTES,
    Action,
    ActionContext,
    ActionError,
    Args,
    ArgumentError,
    Json,
    ask,
)
from workers.actions.making import first_made, make, my_id
from workers.actions.reach import REFUSED, may_know, writable
from workers.delivery.chunks import chunk_text

__all__ = ["THREAD_ACTIONS"]

THREADS = "/channels/{channel_id}/threads"
OF_MESSAGE = "/channels/{channel_id}/messages/{message_id}/threads"
ARCHIVED = "/channels/{channel_id}/threads/archived/public"
ACTIVE = "/guilds/{guild_id}/threads/active"
MOST_CHARS = 24_000
ALL_LINES = 100_000
"""The soft limit of lines is for answers, not for the text of a thread (2.7)."""


def _create(args: Args, context: ActionContext) -> Json:
    """A thread of a message, a free one, or a post in a forum."""
    channel_id, name = writable(args, context), args.text("threadName", "name", most=100)
    text = args.text("message", "content", required=False, most=MOST_CHARS)
    body: Json = {"name": name}
    minutes = args.archive_minutes()
    if minutes is not None:
        body["auto_archive_duration"] = minutes
    known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
    usual = known.get("default_auto_archive_duration")
    if minutes is None and usual in ARCHIVE_MINUTES:  # Discord leaves it to its clients to take this over
        body["auto_archive_duration"] = usual
    if known.get("type") in FORUMS:
        return _post(channel_id, known, body, text or name, args, context)
    if args.raw("messageId") is not None:
        thread = _of_message(channel_id, args.named_message(), body, context)
    else:
        body["type"] = args.number("type", least=10, most=12, default=int(ChannelType.PUBLIC_THREAD))
        thread = _made(channel_id, body, context)
    chunks = chunk_text(text, max_lines=ALL_LINES)
    return {"thread": thread, **_say(ThreadId(str(thread["id"])), chunks, context)}


def _of_message(channel_id: str, message_id: MessageId, body: Json, context: ActionContext) -> Json:
    """The thread of a message, whose id is the message's: what an earlier try made is found by that."""

    def create() -> Json:
        route = Route("POST", OF_MESSAGE, channel_id=channel_id, message_id=message_id)
        made: Json = ask(context, route, json=body)
        return made

    def find(_since: int) -> Json | None:
        with contextlib.suppress(NotFound):
            return context.rest.get_channel(message_id)
        return None

    return make(context, find, create)


def _made(channel_id: str, body: Json, context: ActionContext) -> Json:
    """A new thread or post, or the one an earlier try made."""

    def create() -> Json:
        made: Json = ask(context, Route("POST", THREADS, channel_id=channel_id), json=body)
        return made

    def find(since: int) -> Json | None:
        guild_id = str(context.rest.get_channel(channel_id).get("guild_id"))
        active = ask(context, Route("GET", ACTIVE, guild_id=guild_id)).get("threads", [])
        return first_made(active, since, name=body["name"], parent_id=channel_id, owner_id=my_id(context))

    return make(context, find, create)


def _post(channel_id: str, forum: Json, body: Json, text: str, args: Args, context: ActionContext) -> Json:
    """A post: its first message goes with it, the rest of a long text follows."""
    if args.raw("messageId") is not None:
        raise ArgumentError(
            "A forum has no messages to make a thread of.", fix="Leave messageId out: a post is made."
        )
    if args.raw("appliedTags") is not None:
        body["applied_tags"] = args.ids("appliedTags")
    elif int(forum.get("flags") or 0) & FORUM_NEEDS_TAG:
        tags = ", ".join(f"{tag.get('name')} ({tag.get('id')})" for tag in forum.get("available_tags") or ())
        raise ArgumentError("This forum wants a tag on every post.", fix=f"Give appliedTags one of: {tags}.")
    first, *rest = chunk_text(text, max_lines=ALL_LINES) or [str(body["name"])]
    body["message"] = {"content": first, "allowed_mentions": NO_MENTIONS}
    thread = _made(channel_id, body, context)
    return {"thread": thread, **_say(ThreadId(str(thread["id"])), rest, context)}


def _say(thread_id: ThreadId, chunks: Sequence[str], context: ActionContext) -> Json:
    """Write into a new thread. If that fails the thread stays, and the result says what is missing (2.7)."""
    sent = _said(thread_id, chunks, context) if context.again else []
    for number, chunk in enumerate(chunks):
        if number < len(sent):
            continue
        nonce = derive_nonce(thread_id, "first", number)
        try:
            made = context.rest.create_message(
                thread_id, nonce=nonce, content=chunk, allowed_mentions=NO_MENTIONS
            )
        except ShoalError as error:
            return {
                "partial": True,
                "warning": f"The thread was made; {len(sent)} of {len(chunks)} messages are in it.",
                "initialMessageError": str(error),
                "initialMessageDelivery": {
                    "delivered": len(sent), "total": len(chunks), "messageIds": sent,
                    "failedMayBeDelivered": error.ambiguous,
                },
            }  # fmt: skip
        sent.append(str(made["id"]))
    if not sent:
        return {}
    return {"initialMessageDelivery": {"delivered": len(sent), "total": len(chunks), "messageIds": sent}}


def _said(thread_id: ThreadId, chunks: Sequence[str], context: ActionContext) -> list[str]:
    """Which of the messages an interrupted try has written already, in their order."""
    me, found = my_id(context), []
    left = list(chunks)
    for message in reversed(context.rest.get_messages(thread_id, limit=100)):
        ours = str((message.get("author") or {}).get("id")) == me
        if left and ours and str(message.get("content")).strip() == left[0].strip():
            found.append(str(message["id"]))
            left.pop(0)
    return found


def _list(args: Args, context: ActionContext) -> Json:
    return _archived(args, context) if args.flag("includeArchived") else _active(args, context)


def _active(args: Args, context: ActionContext) -> Json:
    guild_id, limit = args.guild(context), args.number("limit", least=1, most=100)
    threads = ask(context, Route("GET", ACTIVE, guild_id=guild_id)).get("threads", [])
    query: Json = {"guildId": guild_id, "includeArchived": False}
    if args.raw("channelId") is not None:
        query["channelId"] = args.channel(context, "channelId")
        threads = [one for one in threads if str(one.get("parent_id")) == query["channelId"]]
    known = [one for one in threads if may_know(one, context)]
    return _listed(known[:limit], len(known) > len(known[:limit]), "active", query)


def _archived(args: Args, context: ActionContext) -> Json:
    """Archived public threads of a channel, newest first; where one talks in a thread, of its channel."""
    channel_id = args.channel(context, "channelId", "target")
    if not may_know({"id": channel_id}, context):
        raise ActionError(REFUSED)
    if args.raw("channelId", "target") is None:
        here = context.facts.channel(context.account, channel_id) or {}
        channel_id = str(here.get("parent_id")) if is_thread(int(here.get("type") or 0)) else channel_id
    query: Json = {"limit": args.number("limit", least=2, most=100, default=50)}
    if args.raw("before") is not None:
        query["before"] = args.text("before")
    answer = ask(context, Route("GET", ARCHIVED, channel_id=channel_id), query=query)
    threads, more = answer.get("threads", []), bool(answer.get("has_more"))
    asked = {"channelId": channel_id, "includeArchived": True, **query}
    made = _listed(threads, more, "archived", asked)
    if more and threads:
        made["nextBefore"] = (threads[-1].get("thread_metadata") or {}).get("archive_timestamp")
    return made


def _listed(threads: list[Json], more: bool, source: str, query: Json) -> Json:
    return {"threads": threads, "complete": not more, "hasMore": more, "returnedCount": len(threads),
            "source": source, "query": query}  # fmt: skip


THREAD_ACTIONS = (
    Action("thread-create", "threads", "make a thread or forum post; threadName, messageId, message, "
           "autoArchiveMin, appliedTags", _create),
    Action("thread-list", "threads", "threads; channelId, includeArchived, before, limit", _list),
)  # fmt: skip
