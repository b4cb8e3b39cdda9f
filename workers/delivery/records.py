"""What a delivery lane's record says: one answer, of one or more Discord messages, to one channel.

The struct is the ``body`` of a record of kind ``send``. The text is the author's whole
text; rendering and cutting happen where it is sent, and the cut is journalled before the
first request, so that every retry sends the same bytes under the same nonces.

Identity of the record: ``<cause>.<step>`` by :func:`send_identity`; receipts are kept under
it, one per part. Fields are only ever added, with a default (rule R26).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shoal.base.ids import MessageId, check_name
from shoal.state.effects import Push
from shoal.state.records import Record

__all__ = [
    "KIND",
    "AllowedMentions",
    "KeptControl",
    "KeptControls",
    "PartReceipt",
    "SaidThere",
    "SendFile",
    "SendOutcome",
    "SendRequest",
    "Voice",
    "decode_receipt",
    "decode_send",
    "delivery_lane",
    "encode",
    "send_identity",
    "send_push",
    "send_record",
]

KIND = "send"
"""``Record.kind`` of a delivery lane's record whose body is a :class:`SendRequest`."""

TURN_ANSWER_MAX_AGE_S = 6 * 3600
NOTICE_MAX_AGE_S = 5 * 60


class AllowedMentions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which mentions of a message may ping. Never broader than the account's policy."""

    users: bool | tuple[str, ...] = True
    """All users named in the text, or these only."""
    roles: tuple[str, ...] = ()
    everyone: bool = False
    replied_user: bool = False


class Voice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Discord shows of a voice message: its length in seconds, its ``waveform`` in base64."""

    seconds: float
    waveform: str


class SendFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file to send. Its bytes wait as a blob (rule R25)."""

    blob: str
    """Id of the blob in the store."""
    filename: str
    content_type: str = ""
    description: str = ""
    voice: Voice | None = None
    """It is a voice message; only the first file of a send can be one (:mod:`workers.delivery.voice`)."""


class SendOutcome(msgspec.Struct, frozen=True):
    """What becomes of a message once this send is complete: for sends that are not a turn's."""

    message_id: str
    outcome: str
    """A value of ``shoal.state.ledger.Outcome``."""
    reason: str = ""


class KeptControl(msgspec.Struct, frozen=True, omit_defaults=True):
    """A button, menu or form to remember, as in :class:`shoal.state.effects.Control`."""

    id: str
    body: bytes
    reusable: bool = False


class KeptControls(msgspec.Struct, frozen=True):
    """What can be pressed on the message; see :class:`shoal.state.effects.Controls`."""

    group: str
    life_ms: int
    controls: tuple[KeptControl, ...]


class SaidThere(msgspec.Struct, frozen=True):
    """The session that is to know of a send nobody there asked for, and what it is told (2.5)."""

    session_key: str
    text: str


class SendRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer to one channel (``spec/outbound.md`` 3, rules R20, R25).

    Attributes:
        account: whose transport sends.
        channel_id: resolved channel; never ``user:…`` (open the DM before the push).
        cause: identity of what caused the send: the head of the turn, a job and its slot.
        step: which of the cause's sends this is; equal (cause, step) is the same send.
        text: the whole text, not cut, not prefixed.
        reply_to: message to answer to, or none.
        max_age_s: seconds after birth from which on it is not sent any more.
        wake: keys fired when every part has its receipt.
    """

    account: str
    channel_id: str
    cause: str
    step: str
    text: str = ""
    guild_id: str | None = None
    reply_to: MessageId | None = None
    reply_scope: Literal["first", "all"] = "first"
    """Which parts carry the reference: the first (implicit), all (asked for by id)."""
    allowed_mentions: AllowedMentions | None = None
    """None: the account's policy."""
    components: tuple[dict[str, Any], ...] = ()
    """Raw components, on the last part; with ``IS_COMPONENTS_V2`` in ``flags`` there is no text."""
    controls: KeptControls | None = None
    """Of the components; remembered before anything is sent (:mod:`workers.delivery.controls`)."""
    embeds: tuple[dict[str, Any], ...] = ()
    """On the first part; left out with components v2."""
    files: tuple[SendFile, ...] = ()
    """One per message, or all with the components that show them: :mod:`workers.delivery.spread`."""
    sticker_ids: tuple[str, ...] = ()
    poll: dict[str, Any] | None = None
    flags: int = 0
    silent: bool = False
    suppress_embeds: bool | None = None
    """None: the account's ``suppressEmbeds``."""
    prefix: str | None = None
    """``responsePrefix`` with its variables filled, for agent answers; None adds none."""
    plain: bool = False
    """Text of our own (notices, command answers): not sanitised, not prefixed."""
    priority: Literal["interactive", "background"] = "interactive"
    max_age_s: int = TURN_ANSWER_MAX_AGE_S
    wake: tuple[str, ...] = ()
    outcomes: tuple[SendOutcome, ...] = ()
    post: bool = False
    """The channel is a forum or holds media: the first part is a post, all else goes into its thread."""
    archive_minutes: int = 0
    """Of the post; 0: as Discord has it."""
    pairing: str = ""
    """Sender whose pairing code belongs into the text; see :mod:`workers.delivery.pairing`."""
    after: str = ""
    """Identity of the send it follows at a distance of ``pause_ms``; see :mod:`workers.delivery.blocks`."""
    pause_ms: int = 0
    of_turn: str = ""
    """Session lane of the turn, for a block and for what follows blocks: a stop takes back what waits."""
    spoken: str = ""
    """What the voice message says, where it was made of a text: sent where no recording can be."""
    read_aloud: bool = False
    """Its only file is a recording of what people read anyway (``messages.tts.auto``): it may be missing, and
    no text waits for it long."""
    preview: str = ""
    """Cause of the preview this answer may be an edit of; see :mod:`workers.delivery.finalising`."""
    said: SaidThere | None = None
    """Told to the conversation it is read in, once it is out: :mod:`workers.sessions.said`."""
    v: int = 1

    @property
    def identity(self) -> str:
        """Name of the record, the receipts and (with the part) the nonces."""
        return send_identity(self.cause, self.step)

    @property
    def lane(self) -> str:
        """The delivery lane it belongs into."""
        return delivery_lane(self.account, self.channel_id)


class PartReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Proof that one part exists on Discord: the value of a receipt."""

    message_id: MessageId
    channel_id: str
    found: bool = False
    """Found by looking, after a request whose answer was lost."""
    at_ms: int = 0
    """When that was known, Unix ms."""
    note: str = ""
    """What is different from what was asked for, for who asked."""
    v: int = 1


def send_identity(cause: str, step: str) -> str:
    """The identity of a send: ``<cause>.<step>``.

    Raises:
        InvalidName: one of the two has a character that may not be in a key.
    """
    return check_name(f"{cause}.{step}", "send identity")


def delivery_lane(account: str, channel_id: str) -> str:
    """The lane of a destination: ``delivery:<account>:<resolved channel id>`` (rule R20)."""
    return check_name(f"delivery:{account}:{channel_id}", "delivery lane")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SendRequest)
_receipts = msgspec.json.Decoder(PartReceipt)


def encode(value: SendRequest | PartReceipt) -> bytes:
    """The body of a delivery record, or the value of a receipt."""
    return _encoder.encode(value)


def send_record(request: SendRequest, *, account: str = "", message_id: str = "") -> Record:
    """The record of a send.

    Args:
        account, message_id: the message it came of, whose story it is part of and ends with; or none.
    """
    return Record(request.identity, KIND, encode(request), account=account, message_id=message_id)


def send_push(request: SendRequest, *, account: str = "", message_id: str = "") -> Push:
    """The effect that puts a send into the lane of its channel; see :func:`send_record`."""
    return Push(request.lane, send_record(request, account=account, message_id=message_id))


def decode_send(body: bytes) -> SendRequest:
    """The request in a record's body.

    Raises:
        msgspec.ValidationError: the body is no :class:`SendRequest`.
    """
    return _decoder.decode(body)


def decode_receipt(value: bytes) -> PartReceipt:
    """The receipt in a stored value.

    Raises:
        msgspec.ValidationError: the value is no :class:`PartReceipt`.
    """
    return _receipts.decode(value)
