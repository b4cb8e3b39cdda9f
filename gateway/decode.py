"""From bytes to frames: the envelope first, of the payload only what intake needs.

On the hot path ``d`` stays raw bytes; a second look takes a handful of ids out of it.
Nothing here fails on what a server sends: bytes that are no frame come back as a
:class:`BadFrame`, which costs that one event and no more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

__all__ = ["BadFrame", "Frame", "decode_frame", "encode_frame"]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of the gateway. ``d`` is JSON as it came."""

    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    s: int | None = None
    t: str | None = None


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that are no frame, with what could still be read from them.

    Attributes:
        payload: the bytes.
        reason: why, without content.
        seq: its sequence number where one could be found.
        event: the name of its dispatch where one could be found.
    """

    payload: bytes
    reason: str
    seq: int | None
    event: str | None


_DECODER = msgspec.json.Decoder(Frame)
_SEQ = re.compile(rb'"s"\s*:\s*(\d{1,15})\b')
_NAME = re.compile(rb'"t"\s*:\s*"([A-Z_]{3,60})"')


def decode_frame(data: bytes | str) -> Frame | BadFrame:
    """The frame of one message."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        payload = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        # the envelope's keys come before or after ``d``: look at both ends, never inside
        ends = payload[:200] + b"\n" + payload[-200:]
        seq, name = _SEQ.search(ends), _NAME.search(ends)
        reason = f"{type(error).__name__}: {error}"[:200]
        return BadFrame(payload, reason, int(seq[1]) if seq else None, name[1].decode() if name else None)


def encode_frame(op: int, d: object) -> bytes:
    """A client frame as JSON."""
    return msgspec.json.encode({"op": op, "d": d})
