"""Cutting: nothing is lost, nothing is too long, blocks of code stay blocks."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workers.delivery.chunks import chunk_text, cut_text, units

WORDS = st.sampled_from(
    [
        *("word", "a", "  ", "\n", "\n\n", "\t", "    indented\n", "- item\n", "longlonglonglonglonglong"),
        *("```", "```python\n", "~~~", "~~~~\n", "`code`"),
        *("😀", "👩\u200d👩\u200d👧", "e\u0301", "🇩🇪", "中文字。"),
        *("<@123456789012345678>", "<:wave:12345678901234567>", "<t:1700000000:R>"),
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=12), max_size=120).map("".join)


@settings(deadline=None)
@given(text=TEXTS, limit=st.integers(40, 300), max_lines=st.integers(1, 20))
@example(text="```\n" + "x" * 200 + "\n```", limit=50, max_lines=17)
@example(text="```" + "y" * 300 + "\nbody\n```", limit=50, max_lines=3)
@example(text="a\n```\n" * 20, limit=40, max_lines=4)
@example(text="```" + "y" * 93 + "\n\nbody\n```", limit=100, max_lines=17)
@example(text="```" + "y" * 93 + "\nbody\n```", limit=100, max_lines=17)
@example(text="```" + "y" * 93 + "\n😀\n```", limit=100, max_lines=17)
@example(text="```" + "y" * 94 + "\nb\n```", limit=100, max_lines=17)
def test_nothing_is_lost_and_nothing_is_too_long(text: str, limit: int, max_lines: int) -> None:
    pieces = cut_text(text, limit=limit, max_lines=max_lines)
    assert "".join(piece.body + ("\n" if piece.newline else "") for piece in pieces) == text
    for piece in pieces:
        assert units(piece.text) <= limit
        fenced = piece.opened or piece.closed or "```" in piece.text or "~~~" in piece.text
        assert piece.text.count("\n") + 1 <= max(max_lines, 3 if fenced else 1)


@settings(deadline=None)
@given(text=TEXTS, limit=st.integers(40, 200))
def test_no_cut_inside_tokens_and_clusters(text: str, limit: int) -> None:
    pieces = cut_text(text, limit=limit, max_lines=50)
    for before, after in pairwise(pieces):
        if before.newline:
            continue
        assert not re.search(r"<(?:@|:|t:)[^>\n]*$", before.body) or not re.match(r"[^<\n]*>", after.body)
        assert not before.body.endswith("\u200d")
        assert not after.body.startswith(("\u200d", "\u0301", "\ufe0f"))


@settings(deadline=None)
@given(lines=st.lists(st.text("ab c", max_size=60), min_size=1, max_size=60), limit=st.integers(50, 300))
def test_every_chunk_of_a_long_block_is_a_block(lines: list[str], limit: int) -> None:
    text = "\n".join(["intro", "```python", *lines, "```", "outro"])
    chunks = chunk_text(text, limit=limit)
    for chunk in chunks:
        assert len(re.findall(r"^```", chunk, re.MULTILINE)) % 2 == 0, chunk
    opened = [chunk for chunk in chunks if "```" in chunk]
    assert "```python" in opened[0]
    assert chunks[-1].endswith("outro")
    assert not any(chunk.rstrip().endswith("```python") for chunk in chunks)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 10, []),
        ("   ", 10, []),
        ("short", 10, ["short"]),
        ("  kept as it is \n", 100, ["  kept as it is \n"]),
        ("ab😀cd😀ef", 3, ["ab", "😀c", "d😀", "ef"]),
        ("alpha beta。gamma delta", 13, ["alpha", " beta。gamma", " delta"]),
        ("一二三四五。六七八九十", 10, ["一二三四五。", "六七八九十"]),
        ("one two\nthree four", 10, ["one two", "three four"]),
        ("aa <@123456> bb", 10, ["aa", " <@123456>", " bb"]),
        ("run `git log -n 1` now", 15, ["run", " `git log -n 1`", " now"]),
        ("and ``b c`` d", 8, ["and", " ``b c``", " d"]),
        ("it was ||the old butler|| who", 20, ["it was", " ||the old butler||", " who"]),
        ("see [the long page](https://a.b/c) now", 32, ["see", " [the long page](https://a.b/c)", " now"]),
        ("five ` ticks and more words", 12, ["five ` ticks", " and more", " words"]),
    ],
)
def test_where_cuts_fall(text: str, limit: int, expected: list[str]) -> None:
    assert chunk_text(text, limit=limit) == expected


def test_lines_are_limited() -> None:
    chunks = chunk_text("\n".join(f"line {n}" for n in range(45)), max_lines=20)
    assert [chunk.count("\n") + 1 for chunk in chunks] == [20, 20, 5]


def test_default_limits_are_those_of_discord() -> None:
    assert max(units(chunk) for chunk in chunk_text("word " * 2000, limit=9000, max_lines=99)) <= 2000


def test_a_long_block_names_its_language_in_every_chunk() -> None:
    text = "```python\n" + "\n".join(f"x{n} = {n}" for n in range(40)) + "\n```\nafter"
    chunks = chunk_text(text)
    assert len(chunks) > 2
    assert all(chunk.startswith("```python\n") for chunk in chunks[:-1])
    assert chunks[-1].endswith("```\nafter")


def test_whitespace_of_a_long_line_survives() -> None:
    line = "    indented  " + "word   " * 30
    assert "".join(chunk_text(line, limit=40)) == line.rstrip() + line[len(line.rstrip()) :]


@pytest.mark.parametrize("tail", ["```" + "x" * 200, "```" + " " * 200])
def test_odd_fence_lines_never_break_the_limit(tail: str) -> None:
    text = f"```\ncode\n{tail}\nmore\n```"
    assert all(units(chunk) <= 50 for chunk in chunk_text(text, limit=50))


def test_paragraph_mode_keeps_paragraphs_whole() -> None:
    first, second, third = "a " * 30, "b " * 30, "```\nx\n\ny\n```"
    text = f"{first.strip()}\n\n{second.strip()}\n\n{third}"
    assert chunk_text(text, limit=100, by_paragraph=True) == [
        first.strip(),
        f"{second.strip()}\n\n{third}",
    ]
    assert chunk_text(text, limit=2000, by_paragraph=True) == [text]
