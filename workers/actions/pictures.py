"""Pictures that become something on Discord: an emoji, a sticker, the cover of an event."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from shoal.base.foreign import read_json
from workers.actions.base import ActionContext, Args, ArgumentError
from workers.delivery.outgoing import FileRefused, Raw

__all__ = ["LOTTIE", "SOURCES", "data_uri", "picture"]

IMAGES = ("image/png", "image/jpeg", "image/gif")
LOTTIE = "application/json"
SOURCES = ("media", "image", "path", "filePath", "mediaUrl", "file")


def picture(
    args: Args,
    context: ActionContext,
    *,
    most: int,
    whose: str,
    kinds: Sequence[str] = IMAGES,
    known_as: str = "png, jpg or gif",
) -> Raw:
    """The picture that ``media`` names: a URL, or a path that may be read here.

    Args:
        most: bytes it may have. whose: who says so.
        kinds: MIME types it may have, by its bytes; ``known_as``: what people call them.

    Raises:
        ActionError: none is named, it cannot be read, is too large or something else.
    """
    sources = args.raw(*SOURCES)
    if isinstance(sources, list) and len(sources) != 1:
        raise ArgumentError(f"media names {len(sources)} files; it must be one.")
    source = str(sources[0]) if isinstance(sources, list) else args.text(*SOURCES)
    try:
        file = context.read(source, most=most, whose=whose)
    except FileRefused as error:
        raise ArgumentError(f"media: {error.message}", fix=error.fix) from error
    if LOTTIE in kinds and file.mime.startswith("text/") and _is_json(file.data):
        file = replace(file, mime=LOTTIE)
    if file.mime not in kinds:
        raise ArgumentError(f"media is {file.mime}; it must be {known_as}.")
    return file


def data_uri(file: Raw) -> str:
    """A picture as Discord takes it inside JSON."""
    return f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"


def _is_json(data: bytes) -> bool:
    try:
        read_json(data)
    except ValueError:
        return False
    return True
