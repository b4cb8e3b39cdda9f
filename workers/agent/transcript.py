"""The transcript of a session: what is kept of a turn, and how it becomes messages again.

Entries are structured; envelopes are rendered when a prompt is made, never stored. One
turn appends its entries with its commit, so a transcript never holds half a turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shoal.base.logging import get_logger
from workers.agent.providers.base import Message, ToolCall
from workers.agent.tokens import estimate
from workers.sessions.untrusted import header_value, neutral, plain_lines

__all__ = ["Line", "decode_lines", "encode_line", "fit", "history_messages", "line_tokens"]

TOOL_CHARS = (4_000, 600, 120)
INTERRUPTED = "[no result was kept]"
_UNSHOWN = frozenset({"note", "summary"})

log = get_logger(__name__)


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a transcript.

    ``role`` is ``user``, ``assistant``, ``tool``, ``note`` (kept for people, not shown to models) or
    ``summary`` (of everything before the message ``kept_from``).
    """

    role: str
    at_ms: int
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    error: bool = False
    message_id: str = ""
    channel_id: str = ""
    author_id: str = ""
    author_name: str = ""
    author_tag: str = ""
    model: str = ""
    notes: str = ""
    """Lines of our own about the files of the message."""
    private: bool = False
    """The final text was not shown."""
    kept_from: str = ""
    events: tuple[str, ...] = ()
    """Lines about what had happened meanwhile, in front of a user's words."""
    v: int = 1


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    """The bytes of one entry."""
    return _encoder.encode(line)


def decode_lines(entries: Sequence[bytes]) -> list[Line]:
    """The entries that can be read; others (of a newer version) are left out and counted in the log."""
    lines: list[Line] = []
    unread = 0
    for entry in entries:
        try:
            lines.append(_decoder.decode(entry))
        except msgspec.DecodeError:
            unread += 1
    if unread:
        log.warning("transcript entries that cannot be read were left out", entries=unread)
    return lines


def fit(lines: Sequence[Line], max_bytes: int) -> list[bytes]:
    """The entries, with tool results shortened until all of them fit into ``max_bytes``."""
    encoded: list[bytes] = []
    for chars in TOOL_CHARS:
        encoded = [encode_line(_shorter(line, chars)) for line in lines]
        if sum(map(len, encoded)) <= max_bytes:
            return encoded
    # still too much: what was said last and first matters most, tool traffic least
    kept = [line for line in lines if line.role in ("user", "assistant", "summary") and not line.calls]
    encoded = [encode_line(line) for line in kept]
    while len(encoded) > 2 and sum(map(len, encoded)) > max_bytes:
        del encoded[1]
    return encoded


def _shorter(line: Line, chars: int) -> Line:
    calls = tuple(
        call
        if len(call.arguments) <= chars
        else msgspec.structs.replace(call, arguments='{"shortened":true}')
        for call in line.calls
    )
    text = line.text
    if line.role == "tool" and len(text) > chars:
        text = f"{text[:chars]}… [shortened]"
    return msgspec.structs.replace(line, text=text, calls=calls)


def line_tokens(line: Line) -> int:
    """About how many tokens an entry costs."""
    return (
        estimate(line.text)
        + estimate(line.notes)
        + sum(estimate(call.arguments) + 10 for call in line.calls)
        + 8
    )


def history_messages(
    lines: Sequence[Line], *, grouped: bool, max_tokens: int, max_turns: int | None = None
) -> list[Message]:
    """The newest part of a transcript as messages for a model, beginning with a user's.

    Args:
        grouped: several people talk here, so each message names its author.
        max_tokens: bound on all of it together, by estimate.
        max_turns: at most so many user messages.
    """
    start = len(lines)
    tokens = turns = 0
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        tokens += line_tokens(line)
        if tokens > max_tokens:
            break
        if line.role == "user":
            if max_turns is not None and turns >= max_turns:
                break
            turns += 1
            start = index
    return _paired([_message(line, grouped) for line in lines[start:] if line.role not in _UNSHOWN])


def _message(line: Line, grouped: bool) -> Message:
    if line.role == "user":
        return Message("user", text=_user_text(line, grouped))
    if line.role == "tool":
        return Message("tool", text=line.text, call_id=line.call_id, error=line.error)
    return Message("assistant", text=line.text, calls=line.calls)


def _user_text(line: Line, grouped: bool) -> str:
    """What somebody said earlier; in groups between author and id, in the form of the manuals (6.4)."""
    text = "\n".join(part for part in (neutral(plain_lines(line.text)), line.notes) if part)
    if grouped and line.author_id:
        name = header_value(line.author_tag or line.author_name)
        text = f"[from: {name} user id:{line.author_id}] {text}\n[message_id: {line.message_id}]"
    return "\n".join([*line.events, text] if text else line.events)


def _paired(messages: list[Message]) -> list[Message]:
    """Every call gets a result and every result a call: providers refuse anything else."""
    out: list[Message] = []
    open_calls: dict[str, None] = {}
    for message in messages:
        if message.role == "tool":
            if message.call_id not in open_calls:
                continue
            del open_calls[message.call_id]
        elif open_calls:
            out.extend(Message("tool", text=INTERRUPTED, call_id=call, error=True) for call in open_calls)
            open_calls = {}
        if message.role == "assistant":
            if not message.text and not message.calls:
                continue
            open_calls = dict.fromkeys(call.id for call in message.calls)
        out.append(message)
    out.extend(Message("tool", text=INTERRUPTED, call_id=call, error=True) for call in open_calls)
    return out
