"""What a file is: by its bytes, not by what it is called (``spec/inbound.md`` 6.11.4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.media.support.samples import gif, jpeg, ogg, png, wav, webp
from workers.media.images import MAX_BYTES, picture_size, unfit
from workers.media.kinds import OTHER, kind_of

KNOWN = [
    (png(), "", "image/png"),
    (jpeg(), "text/plain", "image/jpeg"),
    (gif(), "", "image/gif"),
    (webp(b"VP8X"), "", "image/webp"),
    (ogg(), "", "audio/ogg"),
    (b"OggS\0\x02" + b"\0" * 22 + b"\x80theora" + b"\0" * 50, "", "video/ogg"),
    (wav(), "", "audio/wav"),
    (b"ID3\x04\0\0\0\0\0\0" + b"\0" * 50, "", "audio/mpeg"),
    (b"\xff\xfb\x90\x00" + b"\0" * 50, "", "audio/mpeg"),
    (b"\xff\xf1\x50\x80" + b"\0" * 50, "", "audio/aac"),
    (b"fLaC\0\0\0\x22", "", "audio/flac"),
    (b"\0\0\0\x18ftypM4A \0\0\0\0", "", "audio/mp4"),
    (b"\0\0\0\x18ftypisom\0\0\0\0", "", "video/mp4"),
    (b"\0\0\0\x18ftypisom\0\0\0\0", "audio/mp4", "audio/mp4"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", "", "image/heic"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm", "video/webm"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "audio/webm; codecs=opus", "audio/webm"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "", "video/x-matroska"),
    (b"%PDF-1.7\n", "", "application/pdf"),
    (b"PK\x03\x04" + b"\0" * 30, "", "application/zip"),
    (b"\x1f\x8b\x08" + b"\0" * 30, "", "application/gzip"),
    (b"\x7fELF" + b"\0" * 30, "image/png", "application/x-executable"),
    (b"MZ" + b"\0" * 30, "audio/ogg", "application/vnd.microsoft.portable-executable"),
    (b"hello there", "text/markdown; charset=utf-8", "text/markdown"),
    (b"{}", "application/json", "application/json"),
    ("日本語".encode() * 2000, "", "text/plain"),
    (b"  <!DOCTYPE html><html>", "image/png", "text/html"),
    (b"<svg xmlns='x'>", "", "image/svg+xml"),
    (b"#EXTM3U\nfile:///etc/passwd", "audio/mpeg", "text/plain"),
    (b"ffconcat version 1.0\nfile /etc/passwd", "video/mp4", "text/plain"),
    (b"not a png", "image/png", "text/plain"),
    (b"\x00\x01\x02", "image/png", OTHER),
    (b"\xff\xff\xff", "audio/ogg", OTHER),
    (b"", "image/png", OTHER),
]


@pytest.mark.parametrize(("head", "claimed", "kind"), KNOWN)
def test_the_bytes_decide(head: bytes, claimed: str, kind: str) -> None:
    assert kind_of(head[:4096], claimed) == kind


SIZES = [
    (png(640, 480), "image/png", (640, 480)),
    (jpeg(30, 50), "image/jpeg", (30, 50)),
    (gif(), "image/gif", (7, 9)),
    (webp(b"VP8X"), "image/webp", (11, 13)),
    (webp(b"VP8L"), "image/webp", (11, 13)),
    (webp(b"VP8 "), "image/webp", (11, 13)),
    (png()[:10], "image/png", None),
    (jpeg()[:30], "image/jpeg", None),
    (b"\xff\xd8\xff\xd9", "image/jpeg", None),
    (b"\xff\xd8" + b"\xff\xe0\xff\xff" * 3, "image/jpeg", None),
    (b"RIFF\0\0\0\0WEBPXXXX", "image/webp", None),
    (b"GIF89a", "image/gif", None),
]


@pytest.mark.parametrize(("data", "kind", "size"), SIZES)
def test_sizes_are_read_from_headers(data: bytes, kind: str, size: tuple[int, int] | None) -> None:
    assert picture_size(data, kind) == size


def test_pictures_that_would_unfold_or_overflow_are_not_shown(tmp_path: Path) -> None:
    """``spec/engineering.md`` 5.4: a PNG of 50,000 pixels a side, and other bombs."""

    def fits(data: bytes, kind: str, size: int | None = None) -> str:
        path = tmp_path / "a"
        path.write_bytes(data)
        return unfit(path, kind, len(data) if size is None else size)

    assert fits(png(640, 480), "image/png") == ""
    assert fits(png(50_000, 50_000), "image/png") == "too-many-pixels"
    assert fits(png(7_900, 7_900), "image/png") == "too-many-pixels"
    assert fits(png(0, 4), "image/png") == "too-many-pixels"
    assert fits(gif(9_000, 1), "image/gif") == "too-many-pixels"
    assert fits(png(), "image/png", MAX_BYTES + 1) == "too-large"
    assert fits(png()[:12], "image/png") == "unreadable"
    assert fits(b"<svg>", "image/svg+xml") == "kind"
    assert fits(b"BM", "image/bmp") == "kind"
    assert unfit(tmp_path / "none", "image/png", 1) == "gone"
