"""Transport compression: one decompressor per connection, made anew at every reconnect.

``zlib-stream`` is one zlib stream over all messages of a connection; a message ends with
the flush marker ``00 00 FF FF`` and may come in several pieces. ``zstd-stream`` is one
endless zstd frame; each message flushes what belongs to it. Text frames pass unchanged,
whatever was agreed, because some servers ignore the ``compress`` parameter.
"""

from __future__ import annotations

import zlib
from typing import Literal, Protocol

import zstandard

from shoal.base.errors import ShoalError

__all__ = ["Compression", "Decompressor", "StreamBroken", "decompressor"]

Compression = Literal["zlib-stream", "zstd-stream", "none"]

_FLUSH = b"\x00\x00\xff\xff"
MAX_MESSAGE = 64 * 1024 * 1024
"""Largest inflated message; beyond it the stream is taken for an attack or damage."""


class StreamBroken(ShoalError):
    """The compressed stream cannot be read on; the connection is lost, the session is not."""

    code = "gateway-stream-broken"
    retryable = True


class Decompressor(Protocol):
    """Turns binary messages into JSON bytes."""

    def feed(self, piece: bytes) -> bytes | None:
        """JSON of one message, or ``None`` when more pieces are needed.

        Raises:
            StreamBroken: the bytes do not go on from the ones before.
        """
        ...


class _Plain:
    def feed(self, piece: bytes) -> bytes | None:
        return piece


class _Zlib:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj()
        self._pieces = bytearray()

    def feed(self, piece: bytes) -> bytes | None:
        self._pieces += piece
        if len(self._pieces) < 4 or self._pieces[-4:] != _FLUSH:
            if len(self._pieces) > MAX_MESSAGE:
                raise StreamBroken("The gateway sent a compressed message without an end.")
            return None
        data, self._pieces = bytes(self._pieces), bytearray()
        try:
            text = self._inflater.decompress(data, MAX_MESSAGE)
        except zlib.error as error:
            raise StreamBroken(f"The zlib stream of the gateway is damaged ({error}).") from None
        if self._inflater.unconsumed_tail:
            raise StreamBroken(f"A gateway message is larger than {MAX_MESSAGE} bytes.")
        return text


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor().decompressobj()

    def feed(self, piece: bytes) -> bytes | None:
        try:
            text = self._stream.decompress(piece)
        except zstandard.ZstdError as error:
            raise StreamBroken(f"The zstd stream of the gateway is damaged ({error}).") from None
        if len(text) > MAX_MESSAGE:
            raise StreamBroken(f"A gateway message is larger than {MAX_MESSAGE} bytes.")
        return text or None


def decompressor(compression: Compression) -> Decompressor:
    """A fresh decompressor for one connection."""
    if compression == "zlib-stream":
        return _Zlib()
    return _Zstd() if compression == "zstd-stream" else _Plain()
