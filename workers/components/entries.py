"""What is remembered of a control, so that a click on it can be understood (``spec/outbound.md`` 5.4).

One entry per control, one per form. They are made with the message, before it is sent, and live in
Redis until they expire or are used up; the id of the message is added when it is known.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["ControlEntry", "FieldEntry", "FormEntry", "decode_entry", "encode_entry"]


class ControlEntry(msgspec.Struct, frozen=True, omit_defaults=True, tag="control"):
    """A button, a select, or the button that opens a form.

    Attributes:
        id: component id.
        kind: what it is.
        label: a button's label or a select's placeholder.
        group: controls of one message; one click uses up all of them, unless they are reusable.
        options: value to label of a select.
        callback: text the click stands for.
        form: id of the form it opens.
        allowed_users: who may use it; empty is everybody who may talk here.
        session_key, agent_id, account, channel_id: the conversation the click belongs to.
    """

    id: str
    kind: Literal["button", "select", "form-trigger"]
    label: str
    group: str
    session_key: str
    agent_id: str
    account: str
    channel_id: str
    select_type: str = ""
    options: dict[str, str] = {}
    callback: str = ""
    callback_kind: str = ""
    form: str = ""
    reusable: bool = False
    allowed_users: tuple[str, ...] = ()
    v: int = 1


class FieldEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a form: its custom id, and how its answer is told."""

    id: str
    name: str
    label: str
    type: str
    options: dict[str, str] = {}
    required: bool = True
    description: str = ""
    placeholder: str = ""
    min_values: int | None = None
    max_values: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    paragraph: bool = False
    choices: tuple[dict[str, object], ...] = ()


class FormEntry(msgspec.Struct, frozen=True, omit_defaults=True, tag="form"):
    """A form. It is used up when it is handed in, not when it opens."""

    id: str
    title: str
    group: str
    fields: tuple[FieldEntry, ...]
    session_key: str
    agent_id: str
    account: str
    channel_id: str
    callback: str = ""
    reusable: bool = False
    allowed_users: tuple[str, ...] = ()
    v: int = 1


_decoder: msgspec.json.Decoder[ControlEntry | FormEntry] = msgspec.json.Decoder(ControlEntry | FormEntry)
_encoder = msgspec.json.Encoder()


def encode_entry(entry: ControlEntry | FormEntry) -> bytes:
    """The stored form."""
    return _encoder.encode(entry)


def decode_entry(raw: bytes) -> ControlEntry | FormEntry:
    """The entry in a stored value.

    Raises:
        msgspec.DecodeError: it is none of ours.
    """
    return _decoder.decode(raw)
