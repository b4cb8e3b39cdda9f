"""What the journal of a turn says.

Each entry is one checkpoint of the lane. Their order is the order of the conversation:

    Opened     the thread is there; how it began, and whether its parent's transcript was copied
    Edited     the message was edited before its turn began; its new text
    Looked     what was found of the files of messages
    Heard      what had happened around the conversation, as the turn read it
    Answered   a model's complete answer, with the tools it wants
    Started    a tool is about to run (an effect may follow)
    Waiting    a tool has parked the turn; its state
    Finished   a tool's result
    Steered    messages that came in meanwhile and are now part of the turn
    Compacted  the older part of the conversation became a summary
    GaveWay    what is told of messages that gave way because too many waited
    Previewed  a preview of the turn begins in its channel
    Told       a finished block of an answer that is still being written is on its way
    Refused    no model could answer; the turn waits and tries again

Entries carry ``v``; fields are only ever added, with a default (R26).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

from shoal.base.errors import ShoalError
from workers.agent.providers.base import ToolCall, Usage
from workers.media.files import MediaFile
from workers.sessions.said import OwnWords
from workers.sessions.system_events import QueuedEvent

__all__ = [
    "Answered",
    "Compacted",
    "Edited",
    "Entry",
    "Finished",
    "GaveWay",
    "Heard",
    "Looked",
    "NewerJournal",
    "Opened",
    "Previewed",
    "Refused",
    "SentRecord",
    "Started",
    "Steered",
    "Told",
    "Waiting",
    "decode_entries",
    "encode_entry",
]


class NewerJournal(ShoalError):
    """The turn was begun by a worker of a newer release. No try of this one counts (rule R26)."""

    code = "newer-journal"
    retryable = True

    def __init__(self, kind: str, v: int) -> None:
        super().__init__(
            f"The journal has an entry {kind[:40]!r} of version {v}; this release cannot read it."
        )


class Edited(msgspec.Struct, frozen=True, tag="edited", omit_defaults=True):
    """What became of the request through edits and deletions while it waited."""

    at_ms: int
    text: str
    message_ids: tuple[str, ...] = ()
    v: int = 1


class Heard(msgspec.Struct, frozen=True, tag="heard", omit_defaults=True):
    """System events that waited when the turn began: it says these and no later ones (R21)."""

    at_ms: int
    events: tuple[QueuedEvent, ...]
    said: tuple[OwnWords, ...] = ()
    """What the agent itself had said here meanwhile."""
    v: int = 1


class Opened(msgspec.Struct, frozen=True, tag="opened", omit_defaults=True):
    """What was found before the first question of a turn in a thread."""

    at_ms: int
    forked: bool = False
    """The transcript began as a copy of the parent's."""
    starter: str = ""
    """How the thread began."""
    v: int = 1


class Told(msgspec.Struct, frozen=True, tag="told", omit_defaults=True):
    """A block is on its way. ``text``: its part of the cleaned answer; ``media``: as the model named them;
    ``tags``: what it had said by then of how the answer sounds (:mod:`workers.agent.speech_tags`)."""

    at_ms: int
    text: str
    media: tuple[str, ...] = ()
    tags: str = ""
    v: int = 1


class Answered(msgspec.Struct, frozen=True, tag="answered", omit_defaults=True):
    """A model's complete answer. ``model`` is ``provider/model``; times in ms."""

    at_ms: int
    model: str
    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    stop: str = "end"
    took_ms: int = 0
    told: tuple[Told, ...] = ()
    """The blocks that went with it."""
    v: int = 1


class Started(msgspec.Struct, frozen=True, tag="started", omit_defaults=True):
    """The tool of this call is about to run."""

    at_ms: int
    call_id: str
    v: int = 1


class Waiting(msgspec.Struct, frozen=True, tag="waiting", omit_defaults=True):
    """The tool of this call waits for something outside; ``state`` is its own."""

    at_ms: int
    call_id: str
    state: bytes
    v: int = 1


class SentRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visible message a tool made."""

    channel_id: str
    text: str
    message_ids: tuple[str, ...] = ()


class Finished(msgspec.Struct, frozen=True, tag="finished", omit_defaults=True):
    """What the tool of this call answered."""

    at_ms: int
    call_id: str
    text: str
    error: bool = False
    sent: tuple[SentRecord, ...] = ()
    v: int = 1


class Steered(msgspec.Struct, frozen=True, tag="steered", omit_defaults=True):
    """Absorbed records, as the model read them."""

    at_ms: int
    identities: tuple[str, ...]
    text: str
    first: bool = False
    """They were there before the first answer: one turn for all of them."""
    v: int = 1


class Compacted(msgspec.Struct, frozen=True, tag="compacted", omit_defaults=True):
    """The older part of the conversation was summed up; ``kept_from`` is the first message still shown."""

    at_ms: int
    summary: str
    kept_from: str
    usage: Usage = Usage()
    v: int = 1


class GaveWay(msgspec.Struct, frozen=True, tag="gaveway", omit_defaults=True):
    """Messages that gave way because too many waited, as the model reads of them."""

    at_ms: int
    text: str
    v: int = 1


class Previewed(msgspec.Struct, frozen=True, tag="previewed", omit_defaults=True):
    """A preview may be seen: whatever ends the turn has to take it away. ``generation``: the newest."""

    at_ms: int
    generation: int = 1
    shown: bool = True
    """False: the older ones go, and this one has not begun."""
    v: int = 1


class Looked(msgspec.Struct, frozen=True, tag="looked", omit_defaults=True):
    """What was found of the files of messages, by the identity of their records."""

    at_ms: int
    files: dict[str, tuple[MediaFile, ...]]
    v: int = 1


class Refused(msgspec.Struct, frozen=True, tag="refused", omit_defaults=True):
    """No model could answer this time."""

    at_ms: int
    code: str
    v: int = 1


Entry = (
    Opened
    | Edited
    | Looked
    | Heard
    | Answered
    | Started
    | Waiting
    | Finished
    | Steered
    | Compacted
    | GaveWay
    | Previewed
    | Told
    | Refused
)


class _Head(msgspec.Struct):
    """What every entry has, whoever wrote it."""

    type: str
    v: int = 1


VERSION = 1
"""The newest form of entries this release reads (rule R26)."""
_TAGS = frozenset(each.__struct_config__.tag for each in get_args(Entry))
_heads = msgspec.json.Decoder(_Head)
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def decode_entries(journal: Sequence[tuple[int, bytes]]) -> list[Entry]:
    """The entries of a grant, in order.

    Raises:
        NewerJournal: a worker of a newer release wrote one; the turn waits for such a worker.
        msgspec.DecodeError: an entry is none of ours.
    """
    return [_decode(data) for _, data in sorted(journal, key=lambda pair: pair[0])]


def _decode(data: bytes) -> Entry:
    head = _heads.decode(data)
    if head.v > VERSION or head.type not in _TAGS:
        raise NewerJournal(head.type, head.v)
    return _decoder.decode(data)


def encode_entry(entry: Entry) -> bytes:
    """An entry as it is stored."""
    return _encoder.encode(entry)
