"""What of a text can be said aloud: words, without the signs that only the eye understands."""

from __future__ import annotations

import re

__all__ = ["speakable"]

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), by)
    for pattern, by in (
        (r"```(?s:.*?)(?:```|\Z)", " "),  # code is for reading
        (r"<a?:(\w+):\d+>", r"\1"),
        (r"<t:-?\d+(?::[tTdDfFR])?>|<[@#&!/][^>\s][^>]*>", " "),
        (r"!?\[([^\]\n]+)\]\((?:[^()\s]|\([^()\s]*\))+\)", r"\1"),
        (r"<?https?://\S+", " "),
        (r"^[ \t]*(?:#{1,6}|-#|>{1,3}|[-*+]|\|)[ \t]+", ""),
        (r"\*{1,3}|_{2,3}|~~|\|\||`+", ""),
        (r"^[ \t]*\|?[ \t:|-]*\|[ \t:|-]*$|^[ \t]*\||\|[ \t]*$", ""),
        (r"[ \t]*\|[ \t]*", ", "),
        (r"(?<!\w)_|_(?!\w)", ""),
        (r"[ \t]{2,}", " "),
        (r"[ \t]+$", ""),
        (r"\n{3,}", "\n\n"),
    )
)


def speakable(text: str) -> str:
    """The words of a Discord text; empty if there are none."""
    for pattern, by in _RULES:
        text = pattern.sub(by, text)
    text = text.strip()
    return text if any(sign.isalnum() for sign in text) else ""
