"""``media``: files people send, kept on disk for a while."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from config.schema.base import Section

__all__ = ["MediaStore"]


class MediaStore(Section):
    """``ttl_hours`` is how long a received file stays under ``media/inbound`` of the state dir: a week."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"preserveFilenames"})

    ttl_hours: Annotated[float, Field(gt=0, le=8_760)] = 168.0
