"""What the transcript keeps of a turn (how it is read again: :mod:`workers.agent.transcript`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workers.agent.attached import notes_of
from workers.agent.closing import Closing
from workers.agent.journal import State
from workers.agent.providers.base import Message
from workers.agent.sanitize import clean_answer
from workers.agent.transcript import Line
from workers.agent.visibility import Unshown
from workers.media.files import MediaFile
from workers.sessions.envelopes import strip_envelopes
from workers.sessions.records import TurnRequest
from workers.sessions.said import OwnWords
from workers.sessions.system_events import QueuedEvent, event_lines

__all__ = ["kept_lines", "said_lines"]

UNASKED = "You sent the following message here without being asked here."
TEXT_CHARS = 32_000
"""Of one message of a user."""


def kept_lines(
    requests: Mapping[str, TurnRequest], state: State, closing: Closing, *, timezone: str, now: int
) -> list[Line]:
    """The entries of a turn that is over.

    Args:
        requests: its messages by the identity of their records, the one it answers first.
        timezone: of the times of system events.
        now: Unix ms.
    """
    first, *absorbed = [
        _user_line(request, now, state.files.get(identity)) for identity, request in requests.items()
    ]
    told = tuple(event_lines(state.heard, timezone))
    model = str(state.model or "")
    said = said_lines(state.said, timezone) if state.answers else []
    lines = [*said, msgspec.structs.replace(first, events=told), *absorbed]
    # users' messages are kept as they were written, not as the model read them
    lines.extend(_line(message, now, model) for message in state.messages if message.role != "user")
    lines = _ended(lines, closing, now, model)
    done = state.compacted
    if done is not None:
        lines.insert(0, Line("summary", now, done.summary, kept_from=done.kept_from))
    return lines


def said_lines(said: Sequence[OwnWords], timezone: str) -> list[Line]:
    """What the agent had said unasked, each behind a line of the system: nobody asked for it."""
    lines = []
    for words in said:
        told = event_lines([QueuedEvent(words.id, UNASKED, words.at_ms)], timezone)
        lines.append(Line("user", words.at_ms, events=tuple(told)))
        lines.append(Line("assistant", words.at_ms, words.text))
    return lines


def _user_line(request: TurnRequest, now: int, files: Sequence[MediaFile] | None) -> Line:
    return Line(
        "user",
        request.born_ms or now,
        request.text[:TEXT_CHARS],
        message_id=request.message_id,
        channel_id=request.channel_id,
        author_id=request.author_id,
        author_name=request.author_name,
        author_tag=request.author_tag,
        notes=notes_of(request, files, signed=False),
    )


def _line(message: Message, now: int, model: str) -> Line:
    said = message.role == "assistant"
    return Line(
        message.role,
        now,
        # what is kept is shown to people and read again by models
        strip_envelopes(message.text) if said else message.text,
        message.calls,
        message.call_id,
        message.error,
        model=model if said else "",
    )


def _ended(lines: list[Line], closing: Closing, now: int, model: str) -> list[Line]:
    """With the last words as people read them, or with what is said of a stop."""
    shown = closing.shown if closing.send is not None else ""
    final = lines[-1]
    if closing.stopped:
        partial = clean_answer(closing.partial).text
        said = [Line("assistant", now, partial, model=model)] if partial else []
        return [*lines, *said, Line("note", now, "stopped")]
    if final.role == "assistant" and not final.calls:
        private = closing.silent == Unshown.PRIVATE_FINAL
        return [*lines[:-1], msgspec.structs.replace(final, text=shown or final.text, private=private)]
    return [*lines, Line("note", now, shown)] if shown else lines
