"""The untrusted blocks of a prompt: what else there is to know of a message (``spec/inbound.md`` 6.6).

One form for all of it: a heading that says "untrusted", and JSON in a fence. A string of JSON cannot
leave its quotes or its line, so there is one rule of escaping and nothing else to get right. Empty
fields are left out; every string is bounded and made unable to pose as ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from workers.access.slugs import display_slug
from workers.agent.envelope import EnvelopeOptions, elapsed, place_label, stamp
from workers.sessions.envelopes import (
    CHANNEL,
    CONVERSATION,
    FORWARDED,
    HISTORY,
    QUOTED,
    SENDER,
    THREAD_STARTER,
)
from workers.sessions.history import NOTHING, HistoryEntry, Pending
from workers.sessions.records import Attachment, TurnRequest
from workers.sessions.untrusted import field_text, header_value

__all__ = ["Surroundings", "block", "context_blocks", "fenced"]

HISTORY_CHARS = 60_000
"""Of all entries together; older ones go first."""
FILE_CHARS = 160
"""Of a file's name and kind."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a prompt shows of a conversation besides the message itself.

    Attributes:
        history: what was said in the channel since our last answer.
        since_ms: when the session was last active, Unix ms; 0 for a new one.
        thread_starter: what the thread began with; for the first turn in it.
        events: lines about what happened meanwhile (:mod:`workers.sessions.system_events`).
    """

    history: Pending = NOTHING
    since_ms: int = 0
    thread_starter: str = ""
    events: tuple[str, ...] = ()


def context_blocks(
    request: TurnRequest, around: Surroundings, options: EnvelopeOptions, *, brief: bool = False
) -> list[str]:
    """The blocks of a message, in their order.

    Args:
        brief: leave out what an earlier message of the turn had said.
    """
    entries, cut = _fitting(around.history)
    blocks = [block(CONVERSATION, _conversation(request, around, options, entries, cut))]
    if not brief:
        blocks.append(block(SENDER, _sender(request)))
    if around.thread_starter:
        blocks.append(block(THREAD_STARTER, {"body": around.thread_starter}))
    if request.quoted is not None:
        blocks.append(block(QUOTED, _quoted(request)))
    if request.forwarded is not None:
        blocks.append(block(FORWARDED, _forwarded(request)))
    if request.topic and not brief:
        topic = {"label": "Discord channel metadata", "source": "discord", "type": "channel_metadata"}
        blocks.append(block(CHANNEL, {**topic, "payload": {"topic": request.topic}}))
    if entries:
        blocks.append(f"{HISTORY}:\n{fenced([_entry(entry) for entry in entries])}")
    return blocks


def block(heading: str, data: Mapping[str, Any]) -> str:
    """A fenced JSON block under its heading; empty fields are left out, strings made safe."""
    return f"{heading}:\n{fenced(_safe({name: value for name, value in data.items() if value}))}"


def fenced(data: Any) -> str:
    """``data`` as JSON in a fence."""
    try:
        text = msgspec.json.format(msgspec.json.encode(data), indent=1).decode()
    except UnicodeEncodeError:  # half a surrogate pair; the standard library is slow and takes anything
        text = json.dumps(data, ensure_ascii=False, indent=1)
    return f"```json\n{text}\n```"


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return field_text(value)
    if isinstance(value, dict):
        return {name: _safe(item) for name, item in value.items()}
    return value


def _conversation(
    request: TurnRequest,
    around: Surroundings,
    options: EnvelopeOptions,
    entries: Sequence[HistoryEntry],
    cut: bool,
) -> dict[str, Any]:
    group = request.chat_type != "direct"
    written = request.born_ms or request.received_ms
    return {
        "chat_id": request.target,
        "message_id": request.message_id,
        "reply_to_id": request.quoted.message_id if request.quoted else "",
        "sender_id": request.author_id,
        "conversation_label": place_label(request),
        "sender": request.sender,
        "timestamp": stamp(written, options),
        "elapsed": elapsed(written, around.since_ms, options),
        "group_subject": request.channel_name if group else "",
        "group_channel": f"#{display_slug(request.channel_name)}" if group and request.channel_name else "",
        "group_space": request.guild_id or "",
        "thread_label": _thread_label(request),
        "topic_id": request.channel_id if request.is_thread else "",
        "forum_parent": _forum_parent(request),
        "is_group_chat": group,
        "was_mentioned": request.was_mentioned,
        "has_reply_context": request.quoted is not None,
        "has_forwarded_context": request.has_forwarded,
        "has_thread_starter": bool(around.thread_starter),
        "history_count": len(entries),
        "history_truncated": cut,
    }


def _thread_label(request: TurnRequest) -> str:
    if not request.is_thread:
        return ""
    parent = display_slug(request.parent_name)
    place = f"Discord thread #{parent}" if parent else "Discord thread"
    return f"{place} › {request.channel_name}" if request.channel_name else place


def _forum_parent(request: TurnRequest) -> str:
    """The forum, for the message that opens a post (``spec/inbound.md`` 5.6)."""
    opens = request.parent_forum and request.message_id == request.channel_id
    return f"#{display_slug(request.parent_name) or request.parent_id}" if opens else ""


def _sender(request: TurnRequest) -> dict[str, Any]:
    return {
        "label": request.sender,
        "id": request.author_id,
        "name": request.author_name,
        "username": request.author_username,
        "tag": request.author_tag,
    }


def _quoted(request: TurnRequest) -> dict[str, Any]:
    quoted = request.quoted
    assert quoted is not None
    return {
        "sender_label": quoted.author_label or quoted.author_name,
        "message_id": quoted.message_id,
        "is_quote": quoted.is_quote,
        "body": quoted.text,
    }


def _forwarded(request: TurnRequest) -> dict[str, Any]:
    origin = request.forwarded
    assert origin is not None
    return {
        "from": origin.author_name or (f"#{origin.channel_name}" if origin.channel_name else ""),
        "type": "user" if origin.author_name else "channel" if origin.channel_id else "",
        "username": origin.username,
        "title": f"#{origin.channel_name}" if origin.channel_name else "",
        "date_ms": origin.timestamp_ms,
    }


def _fitting(history: Pending) -> tuple[Sequence[HistoryEntry], bool]:
    """The newest entries within the bound, and whether some are missing."""
    chars = 0
    for index in range(len(history.entries) - 1, -1, -1):
        chars += len(history.entries[index].body)
        if chars > HISTORY_CHARS:
            return history.entries[index + 1 :], True
    return history.entries, history.truncated


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "message_id": entry.message_id,
        "sender": field_text(entry.sender),
        "sender_id": entry.sender_id,
        "timestamp_ms": entry.timestamp_ms,
        "body": field_text(entry.body),
        **({"files": [_file(file) for file in entry.files]} if entry.files else {}),
    }


def _file(file: Attachment) -> str:
    """Name and kind of a file: where it is, the model can find out by the message's id."""
    kind = f" ({file.content_type})" if file.content_type else ""
    return field_text(header_value(f"{file.filename}{kind}", FILE_CHARS))
