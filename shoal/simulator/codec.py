"""The three ways the gateway packs its frames: plain text, ``zlib-stream``, ``zstd-stream``.

Both streams are one stream per connection that is flushed after each frame: a client needs one long-lived
decompressor per connection and gets garbage with a stale one.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import zstandard

__all__ = ["Codec", "make_codec"]


class Codec(Protocol):
    """Packs frames of one connection. ``binary`` says how they are sent."""

    binary: bool

    def pack(self, frame: bytes) -> bytes:
        """The bytes of one websocket message."""
        ...


class _Plain:
    binary = False

    def pack(self, frame: bytes) -> bytes:
        return frame


class _Zlib:
    binary = True

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def pack(self, frame: bytes) -> bytes:
        return self._stream.compress(frame) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class _Zstd:
    binary = True

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor().compressobj()

    def pack(self, frame: bytes) -> bytes:
        return self._stream.compress(frame) + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def make_codec(name: str) -> Codec | None:
    """The codec of a ``compress=`` parameter ("" is plain); None for one that does not exist."""
    if name == "":
        return _Plain()
    if name == "zlib-stream":
        return _Zlib()
    if name == "zstd-stream":
        return _Zstd()
    return None
