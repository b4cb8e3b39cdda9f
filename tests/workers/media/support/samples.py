"""The beginnings of real files, small and whole enough to be what they are."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 2, height: int = 2) -> bytes:
    """A PNG; beyond a few pixels only its header says so."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + b"\x20\x60\xa0" * min(width, 4) for _ in range(min(height, 4)))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def jpeg(width: int = 3, height: int = 5) -> bytes:
    """The segments of a JPEG up to its frame, after an Exif segment and padding."""
    exif = b"\xff\xe1" + struct.pack(">H", 40) + b"Exif\0\0" + b"\0" * 32
    frame = b"\xff\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\0" * 9
    return b"\xff\xd8" + exif + frame + b"\xff\xda\0\0data\xff\xd9"


def gif(width: int = 7, height: int = 9) -> bytes:
    """A GIF's head."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0" * 20


def webp(form: bytes, width: int = 11, height: int = 13) -> bytes:
    """A WebP of one of its three forms."""
    if form == b"VP8X":
        body = b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif form == b"VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    else:
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + form + struct.pack("<I", len(body)) + body + b"\0" * 8


def ogg() -> bytes:
    """The first page of an Ogg/Opus recording."""
    return b"OggS\0\x02" + b"\0" * 20 + b"\x01\x13OpusHead\x01\x01" + b"\0" * 400


def wav() -> bytes:
    """A RIFF/WAVE head."""
    return b"RIFF" + struct.pack("<I", 200) + b"WAVEfmt " + b"\0" * 200
