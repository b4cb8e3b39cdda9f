"""``channels.discord.streaming``: previews, progress drafts and block replies (spec: outbound 4.1)."""

from __future__ import annotations

from typing import Literal

from config.schema.base import NonNegative, Positive, Section

__all__ = [
    "BlockSettings",
    "BreakPreference",
    "Chunk",
    "Coalesce",
    "CommandText",
    "PreviewSettings",
    "ProgressSettings",
    "Streaming",
]

CommandText = Literal["raw", "status"]
BreakPreference = Literal["paragraph", "newline", "sentence"]


class Chunk(Section):
    """Size of draft blocks, in UTF-16 units. ``max_chars`` never exceeds the text limit of the account."""

    min_chars: Positive = 200
    max_chars: Positive = 800
    break_preference: BreakPreference = "paragraph"


class Coalesce(Section):
    """How finished blocks are put together before they are sent."""

    min_chars: Positive = 1500
    max_chars: Positive | None = None
    idle_ms: NonNegative = 1000


class PreviewSettings(Section):
    """The one message that is edited while the answer grows."""

    chunk: Chunk = Chunk()
    tool_progress: bool = True
    command_text: CommandText = "raw"


class ProgressSettings(Section):
    """The status draft of mode ``progress``. ``label: false`` shows none.

    ``commentary`` shows what the agent says before it uses tools, between the lines of its tools. With
    ``narration`` the agent's ``utilityModel``, where one is written, says in place of the label what is done.
    """

    label: str | Literal[False] = "auto"
    labels: list[str] | None = None
    max_lines: Positive = 8
    max_line_chars: Positive = 120
    tool_progress: bool = True
    command_text: CommandText = "raw"
    commentary: bool = False
    narration: bool = True


class BlockSettings(Section):
    """Finished blocks as ordinary messages; ``enabled: true`` switches previews off."""

    enabled: bool | None = None
    coalesce: Coalesce = Coalesce()


class Streaming(Section):
    """What a conversation sees while a turn runs. A missing mode is ``progress``."""

    mode: Literal["off", "partial", "block", "progress"] = "progress"
    chunk_mode: Literal["length", "newline"] = "length"
    preview: PreviewSettings = PreviewSettings()
    progress: ProgressSettings = ProgressSettings()
    block: BlockSettings = BlockSettings()
