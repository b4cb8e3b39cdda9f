"""``autoThread``: a message of a channel is answered in a thread made from it (``spec/inbound.md`` 5.7, R22).

Such a thread has the message's id, so the conversation is known before the thread exists: the
record goes straight into the lane of the thread. Its turn makes or finds the thread first; if
that cannot be, the same message is answered in its channel.
"""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec

from shoal.base.ids import ThreadId
from shoal.discord.wire import FORUMS, ChannelType
from workers.access.bots import is_machine
from workers.access.decision import Decision
from workers.access.facts import MessageFacts
from workers.sessions.place import conversation_at
from workers.sessions.records import AutoThread, TurnRequest
from workers.sessions.view import Settings
from workers.sessions.wire import WireMessage

__all__ = ["NAME_UNITS", "auto_thread", "clipped", "in_channel", "in_thread", "thread_name"]

"""Channels that hold posts, which are threads already."""
_WITHOUT_THREADS = FORUMS | {ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE}

NAME_CHARS = 80
NAME_UNITS = 100
"""UTF-16 units of a thread's name, which is how Discord counts."""
_MENTION = re.compile(r"<(?:@[!&]?|#)\d{1,20}>")


def auto_thread(
    message: WireMessage, facts: MessageFacts, decision: Decision, settings: Settings
) -> AutoThread | None:
    """The thread an admitted message is to be answered in, or ``None`` to answer where it is."""
    surface = facts.surface
    entry = decision.channel
    if entry is None or not entry.auto_thread or surface.guild_id is None or surface.is_thread:
        return None
    if surface.channel_type in _WITHOUT_THREADS or is_machine(facts, settings.access):
        return None
    name = thread_name(message.body.content, message.id)
    # routed as the thread will be, so that its next message finds the same agent
    place = replace(
        surface,
        channel_id=message.id,
        channel_name=name,
        parent_id=surface.channel_id,
        parent_name=surface.channel_name,
        parent_type=surface.channel_type,
        channel_type=ChannelType.PUBLIC_THREAD,
        is_thread=True,
    )
    found = conversation_at(place, settings, message.author.id, frozenset(message.roles or ()))
    return AutoThread(
        thread_id=ThreadId(message.id),
        agent_id=found.agent_id,
        session_key=found.session_key,
        name=name,
        archive_minutes=entry.auto_archive_minutes,
        generated=entry.auto_thread_generated,
    )


def thread_name(text: str, message_id: str) -> str:
    """A thread's name from the message: without mentions, on one line, as long as Discord allows."""
    words = " ".join(_MENTION.sub(" ", text).split())
    return clipped(words[:NAME_CHARS]) or f"Thread {message_id}"


def clipped(name: str) -> str:
    """A name of at most :data:`NAME_UNITS` units; no character is cut in half."""
    raw = name.encode("utf-16-le", "surrogatepass")[: 2 * NAME_UNITS]
    return raw.decode("utf-16-le", "ignore").strip()


def in_thread(request: TurnRequest) -> TurnRequest:
    """The request as it is answered in its thread. Its message stays in the channel."""
    auto = request.auto_thread
    if auto is None or request.session_key == auto.session_key:
        return request
    return msgspec.structs.replace(
        request,
        channel_id=auto.thread_id,
        channel_name=auto.name,
        agent_id=auto.agent_id,
        session_key=auto.session_key,
        parent_id=request.channel_id,
        parent_name=request.channel_name,
        is_thread=True,
        trigger_channel_id=request.channel_id,
    )


def in_channel(request: TurnRequest) -> TurnRequest:
    """The request as it is answered where its message is, because there can be no thread."""
    return msgspec.structs.replace(request, auto_thread=None)
