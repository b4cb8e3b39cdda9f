"""Pictures that are too large for a place (``spec/outbound.md`` 3.10)."""

from __future__ import annotations

import io
import random
import struct
import zlib

import av
import pytest

from workers.media.images import picture_size
from workers.media.kinds import kind_of
from workers.media.shrinking import shrink

WIDTH, HEIGHT = 640, 480


def noise(width: int = WIDTH, height: int = HEIGHT, *, clear: bool = False) -> bytes:
    """A PNG that no encoder makes much smaller; transparent in places, if ``clear``."""
    random_ = random.Random(20261126)
    depth = 4 if clear else 3
    rows = b"".join(b"\0" + random_.randbytes(depth * width) for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6 if clear else 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def seen(data: bytes, kind: str) -> tuple[int, int, bool]:
    """Width, height, whether it is transparent in places: as a decoder sees it."""
    with av.open(
        io.BytesIO(data), format={"image/png": "png_pipe", "image/jpeg": "jpeg_pipe"}[kind]
    ) as opened:
        frame = next(opened.decode(video=0))
    return frame.width, frame.height, any(part.is_alpha for part in frame.format.components)


@pytest.mark.parametrize("most", [400_000, 150_000])
def test_it_fits_and_is_as_large_as_it_can_be(most: int) -> None:
    made = shrink(noise(), "image/png", most)
    assert made is not None
    data, kind = made
    assert (kind, kind_of(data[:64], "")) == ("image/jpeg", "image/jpeg")
    assert most / 4 < len(data) <= most
    width, height, _ = seen(data, kind)
    assert abs(width / height - WIDTH / HEIGHT) < 0.02
    assert picture_size(data, kind) == (width, height)


def test_what_is_transparent_stays_so() -> None:
    made = shrink(noise(1100, 825, clear=True), "image/png", 2_500_000)
    assert made is not None
    assert made[1] == "image/png"
    assert seen(*made) == (800, 600, True)


def test_a_photo_keeps_which_way_up_it_is() -> None:
    photo, kind = shrink(noise(), "image/png", 600_000) or (b"", "")
    exif = b"\xff\xe1\x00\x10Exif\0\0ORIENTED"
    made, _ = shrink(photo[:2] + exif + photo[2:], kind, 150_000) or (b"", "")
    assert made.startswith(b"\xff\xd8" + exif)
    assert seen(made, kind)[:2] == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("data", "kind", "most"),
    [
        (noise(), "image/png", 500),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "image/png", 100),
        (noise()[:2000], "image/png", 1000),
        (b"GIF89a" + bytes(500), "image/gif", 100),
        (b"%PDF-1.7", "application/pdf", 4),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 50_000, 50_000), "image/png", 10),
    ],
)
def test_what_cannot_be_had_is_said(data: bytes, kind: str, most: int) -> None:
    assert shrink(data, kind, most) is None


class Stop(Exception):
    """Nobody waits for it any more."""


def test_a_stop_ends_the_work() -> None:
    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        shrink(noise(), "image/png", 40_000, check=stop)
