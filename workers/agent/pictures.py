"""Which pictures of a message a model with eyes is shown."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workers.agent.providers.base import Message, Picture
from workers.media.files import MediaFile

__all__ = ["blinded", "pictures_of"]

MAX_PICTURES = 8
MAX_PICTURE_BYTES = 12_000_000
"""Pictures of one message that are shown, and their bytes together."""


def pictures_of(files: Sequence[MediaFile]) -> tuple[Picture, ...]:
    """What of these a model with eyes is shown."""
    found: list[Picture] = []
    size = 0
    for file in files:
        size += file.size if file.picture else 0
        if file.picture and len(found) < MAX_PICTURES and size <= MAX_PICTURE_BYTES:
            found.append(Picture(file.path, file.mime))
    return tuple(found)


def blinded(messages: Sequence[Message]) -> list[Message]:
    """The messages for a model without eyes."""
    return [msgspec.structs.replace(one, pictures=()) if one.pictures else one for one in messages]
