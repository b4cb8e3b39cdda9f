"""What a file is, by its first bytes: names and headers are claims (``spec/inbound.md`` 6.11).

A small table of our own: only what models, transcribers and people's chats deal in matters here, and of
those each has a signature without doubt. What is not in the table keeps no claim that the bytes would have
shown: a "PNG" without PNG's signature is ``application/octet-stream``.
"""

from __future__ import annotations

import codecs

__all__ = ["EXTENSIONS", "HEAD_BYTES", "OTHER", "is_audio", "is_image", "kind_of"]

HEAD_BYTES = 4_096
"""How much of a file :func:`kind_of` wants to see."""
OTHER = "application/octet-stream"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic",
    b"mif1": "image/heif", b"msf1": "image/heif", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime", b"3gp4": "video/3gpp", b"3gp5": "video/3gpp",
}  # fmt: skip

EXTENSIONS: dict[str, tuple[str, ...]] = {
    "image/png": ("png", "apng"), "image/jpeg": ("jpg", "jpeg", "jfif"), "image/gif": ("gif",),
    "image/webp": ("webp",), "image/bmp": ("bmp",), "image/tiff": ("tiff", "tif"), "image/x-icon": ("ico",),
    "image/avif": ("avif",), "image/heic": ("heic",), "image/heif": ("heif",), "image/svg+xml": ("svg",),
    "audio/mpeg": ("mp3",), "audio/flac": ("flac",), "audio/ogg": ("ogg", "oga", "opus"),
    "audio/wav": ("wav",), "audio/mp4": ("m4a", "m4b"), "audio/aac": ("aac",), "audio/amr": ("amr",),
    "audio/webm": ("weba",),
    "video/mp4": ("mp4", "m4v"), "video/quicktime": ("mov",), "video/webm": ("webm",),
    "video/x-matroska": ("mkv",), "video/x-msvideo": ("avi",), "video/ogg": ("ogv",), "video/3gpp": ("3gp",),
    "application/pdf": ("pdf",), "application/gzip": ("gz", "tgz"), "application/json": ("json",),
    "application/zip": ("zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "jar", "apk"),
    "text/html": ("html", "htm"), "text/plain": (),
}  # fmt: skip
"""Endings that go with a type, the usual one first. Text may end as it likes."""


def kind_of(head: bytes, claimed: str = "") -> str:
    """The MIME type of a file that begins with ``head``.

    Args:
        claimed: what somebody said it is; decides between kinds of text, and audio or video in one container.
    """
    claimed = claimed.partition(";")[0].strip().lower()
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "audio/mp4" if claimed.startswith("audio/") else "video/mp4")
    if head.startswith(b"OggS"):
        return "video/ogg" if b"theora" in head[:120] else "audio/ogg"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _matroska(head, claimed)
    return _frames(head) or _text(head, claimed)


def is_image(kind: str) -> bool:
    """A picture."""
    return kind.startswith("image/")


def is_audio(kind: str) -> bool:
    """A recording."""
    return kind.startswith("audio/")


def _frames(head: bytes) -> str:
    """MP3 and AAC without a container: a frame header whose fields have values that exist."""
    if len(head) < 4 or head[0] != 0xFF:
        return ""
    if head[1] & 0xF6 == 0xF0 and head[2] & 0x3C != 0x3C:
        return "audio/aac"
    mpeg = head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08 and head[1] & 0x06
    return "audio/mpeg" if mpeg and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C else ""


def _matroska(head: bytes, claimed: str) -> str:
    if b"webm" in head[:64]:
        return "audio/webm" if claimed.startswith("audio/") else "video/webm"
    return "video/x-matroska"


def _text(head: bytes, claimed: str) -> str:
    """Text of some kind, or nothing that is known."""
    if not head or b"\0" in head:
        return OTHER
    try:
        # a character may be cut at the end of what is seen
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return OTHER
    start = text.lstrip("\ufeff \t\r\n")[:200].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in text[:2_000].lower()):
        return "image/svg+xml"
    textual = claimed.startswith("text/") or claimed in ("application/json", "application/xml")
    return claimed if textual and claimed != "text/html" else "text/plain"
