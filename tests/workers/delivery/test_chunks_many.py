"""Very many texts: none too long by either way of counting, fences balanced, nothing lost."""

from __future__ import annotations

import os
import random

import pytest

from workers.delivery.chunks import DISCORD_LIMIT, MAX_LINES, chunk_text, cut_text, units

pytestmark = pytest.mark.slow

TEXTS = int(os.environ.get("SHOAL_CHUNK_TEXTS", "30000"))
"""A hundred thousand take a minute; each run has the same texts."""
WORDS = [
    "alpha", "beta", "gamma", "你好世界。", "今天，天气很好！", "😀", "👩\u200d👩\u200d👧\u200d👦", "🇫🇮🇸🇪",
    "<@123456789012345678>", "<:smile:987654321098765432>", "<t:1790000000:R>",
    "https://example.org/a_very/long?path=1", "**bold**", "_it_", "`code`", "||spoiler||",
    "é", "naïve", "कि", "नमस्ते", "ـ", "ｆｕｌｌ", "á", ">", "-", "#", "1.",
]  # fmt: skip
FENCES = ("```", "```python", "~~~", "````md", "```js title=x")


def text_of(random_: random.Random) -> str:
    """A text as models write them: paragraphs, lists, long lines, blocks of code, some never closed."""
    lines: list[str] = []
    for _ in range(random_.randint(1, 12)):
        kind = random_.random()
        if kind < 0.25:
            fence = random_.choice(FENCES)
            lines.append(fence)
            lines += [line_of(random_, 12) for _ in range(random_.randint(0, 25))]
            if random_.random() < 0.85:
                lines.append("~~~" if fence[0] == "~" else "`" * (len(fence) - len(fence.lstrip("`"))))
        elif kind < 0.4:
            lines.append("")
        elif kind < 0.5:
            lines.append(random_.choice(WORDS) * random_.randint(1, 400))
        else:
            lines.append(line_of(random_, 60))
    return "\n".join(lines)


def line_of(random_: random.Random, most: int) -> str:
    return " ".join(random_.choice(WORDS) for _ in range(random_.randint(0, most)))


def balanced(chunk: str) -> bool:
    """Whether every block of code that a chunk opens is closed in it, by Discord's reading."""
    fence = ""
    for line in chunk.split("\n"):
        mark = line.lstrip(" ")
        if len(line) - len(mark) > 3:
            continue
        run = mark[: len(mark) - len(mark.lstrip(mark[:1]))] if mark[:1] in ("`", "~") else ""
        if len(run) < 3:
            continue
        if not fence:
            fence = "" if run[0] == "`" and "`" in mark[len(run) :] else run
        elif run[0] == fence[0] and len(run) >= len(fence) and not mark[len(run) :].strip():
            fence = ""
    return not fence


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.timeout(400)
def test_very_many_texts() -> None:
    random_ = random.Random(20261126)
    for number in range(TEXTS):
        text = text_of(random_)
        limit = random_.choice((DISCORD_LIMIT, DISCORD_LIMIT, 600, 200))
        lines = random_.choice((MAX_LINES, 40, 5))
        pieces = cut_text(text, limit=limit, max_lines=lines)
        rebuilt = "".join(piece.body + ("\n" if piece.newline else "") for piece in pieces)
        assert rebuilt == text, number
        whole = balanced(text)
        for piece in pieces[:-1] if not whole else pieces:
            assert units(piece.text) <= limit, number
            assert len(piece.text) <= limit, number
            assert limit < DISCORD_LIMIT or balanced(piece.text), (number, piece.text)
        chunks = chunk_text(text, limit=limit, max_lines=lines, by_paragraph=number % 2 == 0)
        assert squeezed(text) == "" or chunks
        assert all(units(chunk) <= limit and chunk.strip() for chunk in chunks), number
