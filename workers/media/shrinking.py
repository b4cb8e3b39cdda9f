"""Makes pictures that are too large for a place small enough, in a child (``spec/outbound.md`` 3.10).

A picture becomes a JPEG, one that is transparent in places a PNG: at first as large as it is, then step by
step smaller and plainer, until it fits. Which way up a photo is to be shown stays with it. Needs PyAV
(extra ``audio``), as voice messages do. Pictures that move, and other files, stay as they are.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from shoal.base.logging import get_logger
from workers.media.children import ChildFailed, answer_as_child, run_child
from workers.media.images import MAX_PIXELS, picture_size
from workers.media.recoding import has_extra

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["ENDINGS", "MOST", "shrink", "smaller"]

MOST = 64 * 1024**2
"""A larger file is not even looked at."""
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_READERS = {"image/png": "png_pipe", "image/jpeg": "jpeg_pipe", "image/webp": "webp_pipe"}
_SIDES = (4096, 2560, 2048, 1600, 1280, 1024, 800)
"""Pixels of the longer side, after the picture's own."""
_PLAINNESS = (2, 4, 8, 14)
"""Of a JPEG: 2 is as good as the picture, 31 the plainest."""

log = get_logger(__name__)


def shrink(
    source: BinaryIO | IO[bytes] | bytes, kind: str, most: int, *, check: Callable[[], None] = lambda: None
) -> tuple[bytes, str] | None:
    """The same picture in at most ``most`` bytes, and its MIME type; ``None`` where that cannot be had.

    Args:
        source: an open file, which must be a real one, or bytes.
        kind: its MIME type.
        check: called all the while; what it raises ends the work.
    """
    if kind not in _READERS or not has_extra():
        return None
    if isinstance(source, bytes):
        with tempfile.TemporaryFile() as file:
            file.write(source)
            file.seek(0)
            return shrink(file, kind, most, check=check)
    try:
        told, data = run_child(__name__, source, (kind, str(most)), check=check)
    except ChildFailed as failed:
        log.info(f"a picture stays too large: it {failed}")
        return None
    return (data, str(told["kind"])) if told["kind"] else None


def smaller(data: bytes, kind: str, most: int) -> tuple[bytes, str] | None:
    """As :func:`shrink`, in this process: only for a child."""
    import av

    size = picture_size(data, kind)
    if size is None or size[0] * size[1] > MAX_PIXELS:
        return None
    only_this = {"protocol_whitelist": "none"}
    try:
        with av.open(io.BytesIO(data), "r", format=_READERS[kind], options=only_this) as opened:
            frame = next(opened.decode(video=0))
        for made, becomes in _attempts(frame, _exif(data) if kind == "image/jpeg" else b""):
            if len(made) <= most:
                return made, becomes
    except (av.FFmpegError, StopIteration):
        pass
    return None


def _attempts(frame: VideoFrame, exif: bytes) -> Iterator[tuple[bytes, str]]:
    clear = any(part.is_alpha for part in frame.format.components) or frame.format.has_palette
    longer = max(frame.width, frame.height)
    for side in (longer, *(side for side in _SIDES if side < longer)):
        width, height = (max(2, round(each * side / longer)) for each in (frame.width, frame.height))
        if clear:
            yield _encoded(frame, width, height, "png", "rgba"), "image/png"
            continue
        for plain in _PLAINNESS:
            made = _encoded(frame, width, height, "mjpeg", "yuvj420p", plain)
            yield made[:2] + exif + made[2:], "image/jpeg"


def _encoded(frame: VideoFrame, width: int, height: int, codec: str, pixels: str, plain: int = 0) -> bytes:
    import av
    from av.video.reformatter import ColorRange

    whole = ColorRange.JPEG if codec == "mjpeg" else None
    scaled = frame.reformat(width=width, height=height, format=pixels, dst_color_range=whole)
    scaled.pts = 0
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, pixels, Fraction(1, 25)
    if plain:
        encoder.qmin = encoder.qmax = plain
    return b"".join(bytes(packet) for packet in [*encoder.encode(scaled), *encoder.encode(None)])


def _exif(data: bytes) -> bytes:
    """The segment of a JPEG that says which way up it is, if it has one."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1] not in (0xDA, 0xD9):
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at:end]
        at = end
    return b""


def _work(source: BinaryIO, kind: str, most: str) -> tuple[dict[str, Any], bytes]:
    """In the child."""
    made, becomes = smaller(source.read(MOST + 1), kind, int(most)) or (b"", "")
    return {"kind": becomes}, made


if __name__ == "__main__":
    answer_as_child(sys.argv[1:], _work)
