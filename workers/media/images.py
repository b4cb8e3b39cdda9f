"""Pictures a model may be shown: of a kind it reads, with a size it takes. Only headers are read here.

A small file may unfold to gigabytes (a PNG of 50,000 pixels a side); nothing here unfolds it, and such a
one is not handed on: the model gets the note with its address instead.
"""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "SHOWN", "picture_size", "unfit"]

SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Kinds every model with eyes reads."""
MAX_BYTES = 3_750_000
"""In base64 this is 5 MB, the most that one picture may have at the strictest provider."""
MAX_SIDE = 8_000
MAX_PIXELS = 40_000_000
_SCAN = 512 * 1024


def unfit(path: Path, kind: str, size: int) -> str:
    """Why a picture cannot be shown to a model, in one word; empty if it can."""
    if kind not in SHOWN:
        return "kind"
    if size > MAX_BYTES:
        return "too-large"
    try:
        with path.open("rb") as file:
            measured = picture_size(file.read(_SCAN), kind)
    except OSError:
        return "gone"
    if measured is None:
        return "unreadable"
    width, height = measured
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        return "too-many-pixels"
    return ""


def picture_size(data: bytes, kind: str) -> tuple[int, int] | None:
    """Width and height as the header says, or None if there is no such header."""
    try:
        match kind:
            case "image/png":
                return struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" else None
            case "image/gif":
                return struct.unpack("<HH", data[6:10])
            case "image/webp":
                return _webp(data)
            case "image/jpeg":
                return _jpeg(data)
    except (struct.error, IndexError):
        return None
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    form = data[12:16]
    if form == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if form == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk the segments up to the frame header."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        if marker == 0xD9 or marker == 0xDA:
            return None
        at += 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
