"""What a checkpoint or commit may do besides its own lane: a closed list of verbs (R5).

Each effect is plain data; one script validates all of them and applies all of them with
the commit, or none. At most 64 effects and 256 kB per call; larger bodies are written
first as blobs (:class:`shoal.state.blobs.Blobs`) and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shoal.base.errors import StateConflict
from shoal.base.ids import check_name
from shoal.state.pairing import new_codes
from shoal.state.queues import check_lane
from shoal.state.records import Record

__all__ = [
    "MAX_EFFECTS",
    "MAX_EFFECT_BYTES",
    "Control",
    "Controls",
    "Count",
    "Effect",
    "Expire",
    "Fork",
    "GiveWay",
    "GivenWayTold",
    "Note",
    "Outcome",
    "Pair",
    "PairReply",
    "Push",
    "Receipt",
    "SessionPut",
    "Slot",
    "SystemEvent",
    "SystemEventsDone",
    "Tally",
    "Told",
    "Transcript",
    "Wake",
    "encode_effects",
]

MAX_EFFECTS = 64
MAX_EFFECT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Push:
    """Put a record into a lane (the own one included); a known identity is a no-op."""

    lane: str
    record: Record
    delay_ms: int = 0
    front: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """Append entries (opaque bytes, one JSON line each) to a transcript.

    ``keep``: only the newest so many entries stay, and all go after 30 days without a new one; 0 keeps
    everything (R27: what grows with every message needs a bound where it is written).
    """

    session_id: str
    entries: Sequence[bytes]
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Fork:
    """A transcript begins as a copy of another one's hot part. One that is there already stays as it is."""

    session_id: str
    copy_id: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Remember that one part of what ``identity`` caused has been sent; the first value stays."""

    identity: str
    part: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The one outcome of a message; ``outcome`` is a word of :class:`shoal.state.ledger.Outcome`.

    The first one written wins. ``reason`` is one word or short code, no content.
    """

    account: str
    message_id: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the story of a message for ``explain``: ``session``, ``delivery``, ``turn``, …

    Ids and figures only, never content. Same line twice is one line; at most 4 kB per message.
    """

    account: str
    message_id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Make every lane due that is parked on ``key``, or that parks on it in the next ten minutes."""

    key: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Conflating slot of a delivery lane (R9): only the newest version not yet taken stays queued.

    It arrives in ``lane`` as a record of kind ``slot`` with identity ``slot.<name>.<version>``.
    ``body=None`` closes the slot: a queued version is removed, and nothing comes after.
    """

    lane: str
    name: str
    version: int
    body: bytes | None
    v: int = 1


@dataclass(frozen=True, slots=True)
class Expire:
    """A blob is no longer needed; it goes after a minute (a zombie may still be reading)."""

    blob_id: str


@dataclass(frozen=True, slots=True)
class SessionPut:
    """Set fields of a session record; ``updated_at`` is set by Redis' clock. A None value removes."""

    session_key: str
    fields: Mapping[str, bytes | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """Something the next turn of a session is told (``spec/inbound.md`` 7.3).

    At most 20 wait, the oldest goes; one that says the same as the newest is not queued, one about the same
    thing with the same words replaces the older. ``text`` and ``about`` are digests of what is compared,
    ``body`` (4 kB) is opaque.
    """

    session_key: str
    event_id: str
    text: str
    about: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SystemEventsDone:
    """These events were told and go; what came later stays. ``None``: all of them (a session begins anew)."""

    session_key: str
    event_ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class GiveWay:
    """A record that waits in a lane leaves it, because too many wait there (``messages.queue.cap``).

    Its messages get the outcome ``dropped`` with ``reason``. A record that is the head, or belongs to a
    turn, stays, and nothing is written.

    Attributes:
        place: channel id; lines are kept for each place of a conversation on its own.
        line: what the next turn of that place is told of it (1,000 bytes); empty tells nothing.
    """

    lane: str
    identity: str
    account: str
    message_ids: Sequence[str]
    reason: str
    place: str
    line: bytes = b""


@dataclass(frozen=True, slots=True)
class GivenWayTold:
    """The oldest ``count`` lines of what gave way were told to a turn."""

    lane: str
    place: str
    count: int


@dataclass(frozen=True, slots=True)
class Count:
    """One more in today's counter ``name``: lower-case words with ``-`` and ``.``, at most 60 characters."""

    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Told:
    """The owner was told of ``what``, which is told once; ``how``: ``dm`` or ``log``. The first stays."""

    account: str
    what: str
    how: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A stranger wrote in private (``spec/inbound.md`` 3.3): one request, one reply, one outcome.

    New: a request with the first free code of ``codes``, ``record`` pushed into ``lane``, outcome
    ``pairing`` (``requested``). Known: seen again, outcome ``pairing`` (``waiting``), and no second reply
    unless the first one failed over a minute ago. Three wait already: outcome ``dropped``
    (``pairing-full``). A message that has an outcome changes nothing. Refused if the sender has been
    approved meanwhile: decide again.
    """

    account: str
    sender: str
    meta: str
    message_id: str
    lane: str
    record: Record
    codes: tuple[str, ...] = field(default_factory=new_codes, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PairReply:
    """What became of the reply to a request: ``sent`` or ``failed:<code>``. ``notice`` is its record."""

    account: str
    sender: str
    notice: str
    word: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Count one thing once: ``member`` (a message id) under ``name``, at the time ``at_ms``.

    Read by :meth:`shoal.state.tallies.Tallies.count`. The same member again changes nothing; what is older
    than ``ttl_ms`` before ``at_ms`` is forgotten, and all of it ``ttl_ms`` after the last one.
    """

    account: str
    name: str
    member: str
    at_ms: int
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Control:
    """One button, select or form as it is remembered; ``reusable`` ones answer more than once."""

    id: str
    body: bytes
    reusable: bool = False


@dataclass(frozen=True, slots=True)
class Controls:
    """Remember the controls of one message for ``life_ms``; a known ``group`` is a no-op.

    Read and used up by :class:`shoal.state.controls.ControlRegistry`. At most 64.
    """

    account: str
    group: str
    life_ms: int
    controls: Sequence[Control]


Effect = (
    Push
    | Transcript
    | Fork
    | Receipt
    | Outcome
    | Note
    | Wake
    | Slot
    | Expire
    | SessionPut
    | SystemEvent
    | SystemEventsDone
    | GiveWay
    | GivenWayTold
    | Count
    | Told
    | Pair
    | PairReply
    | Tally
    | Controls
)


def encode_effects(effects: Sequence[Effect]) -> list[bytes | str | int]:
    """Effects as the flat argument list the scripts read (``_effects.lua``).

    Raises:
        StateConflict: more than 64 effects or 256 kB in all.
        InvalidName: a name that must not become part of a key.
    """
    if len(effects) > MAX_EFFECTS:
        raise StateConflict(f"{len(effects)} effects, at most {MAX_EFFECTS}", "effects")
    args: list[bytes | str | int] = [len(effects)]
    for effect in effects:
        args.extend(_encode(effect))
    size = sum(len(part) for part in args if isinstance(part, bytes | str))
    if size > MAX_EFFECT_BYTES:
        raise StateConflict(f"{size} bytes of effects, at most {MAX_EFFECT_BYTES}; use blobs", "effects")
    return args


def _encode(effect: Effect) -> list[bytes | str | int]:
    """One effect: verb, then its arguments in the order ``_effects.lua`` lists."""
    match effect:
        case Push(lane, record, delay_ms, front):
            return ["push", check_lane(lane), record.identity, record.frame(), int(delay_ms), int(front)]
        case Transcript(session_id, entries, keep):
            return ["transcript", check_name(session_id, "session id"), int(keep), len(entries), *entries]
        case Fork(session_id, copy_id):
            return ["fork", check_name(session_id, "session id"), check_name(copy_id, "session id")]
        case Receipt(identity, part, value):
            return ["receipt", check_name(identity, "identity"), int(part), value]
        case Outcome(account, message_id, outcome, reason):
            check_name(account, "account")
            return ["outcome", account, check_name(message_id, "message id"), str(outcome), _word(reason)]
        case Note(account, message_id, name, value):
            check_name(account, "account")
            line = f"{check_name(name, 'note')}={_word(value)}"
            return ["note", account, check_name(message_id, "message id"), line]
        case Wake(key):
            return ["wake", check_name(key, "wake key")]
        case Slot(lane, name, version, body, v):
            check_name(name, "slot")
            if body is None:
                return ["slot", check_lane(lane), name, int(version), "-", ""]
            record = Record(f"slot.{name}.{int(version)}", "slot", body, v=v)
            return ["slot", check_lane(lane), name, int(version), record.identity, record.frame()]
        case Expire(blob_id):
            return ["expire", check_name(blob_id, "blob id")]
        case Pair(account, sender, meta, message_id, lane, record, codes):
            return [
                "pair", check_name(account, "account"), check_name(sender, "sender"), meta,
                check_name(message_id, "message id"), len(codes), *codes, check_lane(lane), record.identity,
                record.frame(),
            ]  # fmt: skip
        case PairReply(account, sender, notice, word):
            check_name(account, "account")
            return ["pairreply", account, check_name(sender, "sender"), check_name(notice, "identity"), word]
        case Tally(account, name, member, at_ms, ttl_ms):
            check_name(account, "account")
            check_name(name, "tally")
            return ["tally", account, name, check_name(member, "member"), int(at_ms), int(ttl_ms)]
        case Controls(account, group, life_ms, controls):
            flat: list[bytes | str | int] = []
            for control in controls:
                flat.extend((check_name(control.id, "control"), int(control.reusable), control.body))
            check_name(account, "account")
            return ["controls", account, check_name(group, "group"), int(life_ms), len(controls), *flat]
        case SessionPut(session_key, fields):
            gone = [name for name, text in fields.items() if text is None]
            kept: list[bytes | str | int] = []
            for name, text in fields.items():
                check_name(name, "session field")
                if text is not None:
                    kept.extend((name, text))
            check_name(session_key, "session key")
            return ["session", session_key, len(kept) // 2, *kept, len(gone), *gone]
        case SystemEvent(session_key, event_id, text, about, body):
            check_name(session_key, "session key")
            return ["event", session_key, check_name(event_id, "event id"), text, about, body]
        case SystemEventsDone(session_key, event_ids):
            check_name(session_key, "session key")
            if event_ids is None:
                return ["heard", session_key, "*"]
            names = [check_name(event_id, "event id") for event_id in event_ids]
            return ["heard", session_key, len(names), *names]
        case GiveWay(lane, identity, account, message_ids, reason, place, line):
            names = [check_name(message_id, "message id") for message_id in message_ids]
            return [
                "giveway", check_lane(lane), check_name(identity, "identity"), check_name(account, "account"),
                _word(reason), check_name(place, "place"), line, len(names), *names,
            ]  # fmt: skip
        case GivenWayTold(lane, place, number):
            return ["toldof", check_lane(lane), check_name(place, "place"), int(number)]
        case Told(account, what, how):
            return ["told", check_name(account, "account"), check_name(what, "what was told"), how]
        case Count(account, name):
            return ["count", check_name(account, "account"), name]


def _word(text: str) -> str:
    """One line of at most 400 characters: what is stored next to an outcome."""
    return " ".join(text.split())[:400]
