"""What lies in a lane, what a holder gets, and what the lanes answer.

A :class:`Record` is opaque to Lua but for one header line. On the wire and in Redis it
is a *frame*::

    <v> <born> <not before> <kind> <mode> <scope> <account> <message id>\n<body bytes>

Header fields hold no white space and ``-`` stands for "none"; the body is any bytes.
Times are milliseconds of the Unix epoch by Redis' clock.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from shoal.base.errors import InvalidName, RecordTooLarge
from shoal.base.ids import check_name

__all__ = [
    "MAX_BODY",
    "READS",
    "DeadRecord",
    "Failed",
    "Failure",
    "Grant",
    "InboundEvent",
    "LaneInfo",
    "Limit",
    "Pushed",
    "Record",
    "Refused",
    "Swept",
    "decode_event",
    "encode_event",
    "event_of",
    "parse_frame",
]

MAX_BODY = 256 * 1024
"""Largest body of a record in bytes; larger ones become blobs."""
READS = (1, 1)
"""Lowest and highest record version this release reads (rule R26)."""

_FIELD = re.compile(r"[!-~]{1,200}")
_HEADER = re.compile(r"[!-~]{1,200}(?: [!-~]{1,200}){4}")


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of ordered work.

    Attributes:
        identity: NAME_PATTERN; the cause everything derives from (nonces, receipts). A lane
            holds one identity once, and remembers it for at least ten minutes after it left.
        kind: what ``body`` is: ``MESSAGE_CREATE``, ``turn``, ``send``, …
        body: opaque bytes, at most :data:`MAX_BODY`; msgspec JSON of a struct of the consumer.
        v: version of the body; a worker that cannot read it is refused without a try (R26).
        born: Unix ms of birth (the snowflake's time for messages); 0 = Redis' clock at push.
            Together with ``message_id`` it is what a stop is compared with (R7).
        mode: ``""``, ``steer``, ``followup``, ``collect`` or ``interrupt``.
        scope: absorption needs equality of scope: ``account|conversation|reply target|authority``.
        account: account of the message whose outcome this record decides, or ``""``.
        message_id: that message; gets outcome ``dead`` if the record dies. ``""`` = none.
        not_before: Unix ms before which the record is not handed out; set by the lane from ``delay_ms``.
    """

    identity: str
    kind: str
    body: bytes
    v: int = 1
    born: int = 0
    mode: str = ""
    scope: str = ""
    account: str = ""
    message_id: str = ""
    not_before: int = 0

    def frame(self) -> bytes:
        """The record as it travels.

        Raises:
            InvalidName: a header field has white space, is too long, or is no ASCII.
            RecordTooLarge: the body is larger than :data:`MAX_BODY`.
        """
        check_name(self.identity, "identity")
        if len(self.body) > MAX_BODY:
            raise RecordTooLarge(self.identity, len(self.body), MAX_BODY)
        words = (
            f"{self.kind or '-'} {self.mode or '-'} {self.scope or '-'} {self.account or '-'} "
            f"{self.message_id or '-'}"
        )
        if not _HEADER.fullmatch(words):
            self._blame()
        return f"{int(self.v)} {int(self.born)} {int(self.not_before)} {words}\n".encode() + self.body

    def _blame(self) -> None:
        """Say which field of the header cannot be one."""
        for name, value in (
            ("kind", self.kind),
            ("mode", self.mode),
            ("scope", self.scope),
            ("account", self.account),
            ("message id", self.message_id),
        ):
            if not _FIELD.fullmatch(value or "-"):
                raise InvalidName(name, value)


def parse_frame(identity: bytes | str, frame: bytes) -> Record:
    """A frame read back; the inverse of :meth:`Record.frame`.

    Raises:
        ValueError: the bytes are no frame.
    """
    head, _, body = frame.partition(b"\n")
    parts = head.decode("ascii").split(" ")
    if len(parts) != 8:
        raise ValueError(f"record {identity!r} has no header")
    v, born, not_before, *words = parts
    kind, mode, scope, account, message_id = ("" if word == "-" else word for word in words)
    return Record(
        identity=identity.decode() if isinstance(identity, bytes) else identity,
        kind=kind,
        body=body,
        v=int(v),
        born=int(born),
        mode=mode,
        scope=scope,
        account=account,
        message_id=message_id,
        not_before=int(not_before),
    )


class InboundEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of a record in an inbound lane: one dispatch of the gateway, as it came."""

    account: str
    shard: int
    event: str
    """Discord's name of the dispatch, ``MESSAGE_CREATE``."""
    received_ms: int
    """Unix ms at which the gateway read the frame (its own clock; for display and latency only)."""
    data: msgspec.Raw
    """The ``d`` of the dispatch, JSON."""
    history: bool = False
    """Fetched after a gap and too old to be answered: it may be quoted later, it starts nothing (R19)."""
    born_ms: int = 0
    """Birth of the record, by its snowflake or by Redis' clock; set by :func:`event_of`, never stored. What
    is compared with other records' births comes from here, not from a host's clock."""


_EVENT_DECODER = msgspec.json.Decoder(InboundEvent)


def encode_event(event: InboundEvent) -> bytes:
    """An inbound event as a record body."""
    return msgspec.json.encode(event)


def decode_event(body: bytes) -> InboundEvent:
    """The inbound event of a record body.

    Raises:
        msgspec.DecodeError: the body is no such event.
    """
    return _EVENT_DECODER.decode(body)


def event_of(record: Record) -> InboundEvent:
    """The inbound event of a record, with the record's birth.

    Raises:
        msgspec.DecodeError: the body is no such event.
    """
    return msgspec.structs.replace(decode_event(record.body), born_ms=record.born)


class Failure(enum.Enum):
    """Why a head could not be finished (R13). A holder that died says nothing: the sweep counts it."""

    INFRASTRUCTURE = "infrastructure"
    """Redis, proxy, Discord 5xx/429, model outage: back-off, no try, bounded by age only."""
    HANDLED = "handled"
    """An exception of ours, a 4xx: a try; the third puts the record among the dead."""


class Failed(enum.Enum):
    """What :meth:`Lanes.fail` did with the head."""

    RETRIED = "retried"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on live grants of one kind across the fleet (R33); ``name`` is a NAME_PATTERN name."""

    name: str
    cap: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """Answer to a push: ``new`` is False for an identity the lane knows; ``depth`` counts records."""

    new: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a lane was not granted: no error, simply nothing to do now.

    ``reason``: ``empty``, ``taken``, ``held``, ``parked``, ``waiting`` (not due yet), ``version``
    (the head is newer than ``reads``), ``limit`` (R33), ``quarantined`` (for the chores pool only),
    ``used`` (this token already ended a grant; take a fresh one).
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to work on one head of one lane; every fenced call wants it.

    Attributes:
        lane: name of the lane.
        token: 128-bit random token (R1); the same for all heads of one drain.
        head: the record to work on.
        journal: (step, bytes) written by checkpoints for this head, by this or an earlier holder.
        absorbed: records behind the head that an earlier absorb made part of this turn.
        step: last step checkpointed for this head, 0 if none; the next is ``step + 1``.
        tries: handled failures of this head so far.
        suspects: holders whose lease ended without a word over this head so far, excused or not.
        stopped: a stop covers this head (R7): end it with outcome ``stopped``.
        aborted: it stood still for too long under an earlier grant: end it and say so.
        quarantine: the head runs in quarantine.
        ttl_ms: lease length.
        asked_at: ``time.monotonic()`` just before the lease was asked for or renewed; the lease surely
            lives until ``asked_at + ttl_ms / 1000`` by our clock (R14: keep a margin of 1 s).
    """

    lane: str
    token: str
    head: Record
    journal: list[tuple[int, bytes]] = field(default_factory=list)
    absorbed: list[Record] = field(default_factory=list)
    step: int = 0
    tries: int = 0
    suspects: int = 0
    stopped: bool = False
    aborted: bool = False
    quarantine: bool = False
    ttl_ms: int = 5000
    asked_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: lanes looked at, hints sent, leases ended, records quarantined or dead."""

    looked: int
    hinted: int
    expired: int
    quarantined: int
    dead: int


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """One lane for people. ``state``: held, parked, waiting, ready, taken, idle. Ages in ms."""

    lane: str
    state: str
    depth: int
    head: str
    age_ms: int
    """Age of the head since its birth."""
    tries: int
    suspects: int
    quarantine: bool = False


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """A record that ended in ``dead``. ``source`` is ``lane`` or ``intake``."""

    id: str
    lane: str
    record: Record
    code: str
    reason: str
    at_ms: int
    tries: int
    suspects: int
    source: str


def parse_records(pairs: Sequence[bytes]) -> list[Record]:
    """Records from the flat ``identity, frame, …`` list a script answers."""
    return [parse_frame(pairs[index], pairs[index + 1]) for index in range(0, len(pairs), 2)]
