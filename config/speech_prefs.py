"""What OpenClaw's ``/tts`` had been told: its file, ``messages.tts.prefsPath``.

Read when the config is loaded, and lies over it, as it does there. Never written: what is said with ``/tts``
here is a setting of its conversation, which all hosts know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Prefs", "read_prefs"]

MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Prefs:
    """What such a file says; ``None``: nothing.

    Attributes:
        auto: which answers are read aloud.
        provider: who is asked first.
        max_chars: a longer answer is heard in short.
        in_short: a model sums it up; else it is cut.
    """

    auto: str | None = None
    provider: str | None = None
    max_chars: int | None = None
    in_short: bool = True


def read_prefs(path: Path) -> Prefs:
    """The preferences in a file; none where there is no such file, which is made by the first ``/tts``.

    Raises:
        ValueError: it is no such file, or cannot be read; says why.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Prefs()
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    if len(text) > MAX_BYTES:
        raise ValueError("it is too large for preferences")
    try:
        data: Any = json.loads(text)
    except ValueError:
        raise ValueError("it is no JSON") from None
    box = data.get("tts") if isinstance(data, dict) else None
    return _read(box if isinstance(box, dict) else {})


def _read(box: dict[str, Any]) -> Prefs:
    auto, enabled, most = box.get("auto"), box.get("enabled"), box.get("maxLength")
    if auto is None and isinstance(enabled, bool):
        auto = "always" if enabled else "off"
    provider = box.get("provider")
    whole = isinstance(most, int) and not isinstance(most, bool) and most > 0
    return Prefs(
        auto=auto if isinstance(auto, str) else None,
        provider=provider.strip().lower() if isinstance(provider, str) else None,
        max_chars=most if whole else None,
        in_short=box.get("summarize") is not False,
    )
