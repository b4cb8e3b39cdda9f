"""The reader agrees with an independent one, and its errors say where and what."""

from __future__ import annotations

import json
import math
from typing import Any

import pyjson5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.json5 import Array, Json5Error, Object, Scalar, line_of, parse, to_python, walk
from tests.quick import examples

_scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
# fmt: off
_TOKENS = [
    '{', '{', '}', '}', '[', ']', ':', ':', ',', '"a"', "'b'", 'name', '$x', '1', '-2.5e3', '0x1F', '.5',
    '5.', '+1', '00', 'null', 'true', 'False', 'Infinity', '-NaN', '/*d*/', '/*', '/', '\\', '"\\u0041"',
    '\u201c', '\ufeff', '0', '1e', '\u4e2d', '\\u0061', 'a-b', '"\\x4', "'\\0'", '"\\1"', '#', '// c\n',
    '\n', '\u2028', "'\\\n'", '\t',
]
# fmt: on
_pieces = st.lists(st.sampled_from(_TOKENS), max_size=14)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@given(_values)
def test_reads_what_was_written(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert _same(to_python(parse(text)), json.loads(text))


@settings(max_examples=examples(1500))
@given(_pieces)
def test_takes_and_refuses_what_another_reader_does(pieces: list[str]) -> None:
    text = " ".join(pieces)  # the other reader takes numbers that touch, which the grammar does not
    try:
        expected = pyjson5.decode(text)
    except pyjson5.Json5Exception:
        with pytest.raises(Json5Error):
            parse(text)
        return
    assert _same(to_python(parse(text)), expected)


@given(st.text(max_size=60))
def test_never_fails_otherwise(text: str) -> None:
    try:
        parse(text)
    except Json5Error as error:
        place = (error.line, error.column)
        assert min(place) >= 1


@given(_values)
def test_spans_cut_out_the_value(value: Any) -> None:
    text = " " + json.dumps(value, indent=1)
    for _, node in walk(parse(text)):
        again = to_python(parse(text[node.start : node.end]))
        assert _same(again, to_python(node))


def test_members_keep_their_places_and_their_doubles() -> None:
    text = '{a: 1, // one\n "b": [2], a: 3}'
    node = parse(text)
    assert isinstance(node, Object)
    assert [member.key for member in node.members] == ["a", "b", "a"]
    assert text[node.members[1].key_start : node.members[1].key_end] == '"b"'
    assert isinstance(node.members[1].value, Array)
    assert isinstance(node.members[2].value, Scalar)
    assert line_of(text, node.members[2].key_start) == 2
    assert to_python(node) == {"a": 3, "b": [2]}


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "expected", "fix"),
    [
        ("{\n  a: 1\n  b: 2\n}", 3, 3, "comma is missing", ", or }", ""),
        (
            "{\n  123456789012345678: {}\n}",
            2,
            3,
            "must be in quotes",
            "a quoted key",
            'write "123456789012345678"',
        ),
        ("{ my-key: 1 }", 1, 5, "'my-key' needs quotes", ":", 'write "my-key"'),
        ("{ a: “x” }", 1, 6, "curly quotes", "a value", "straight quotes"),
        ("{ “a”: 1 }", 1, 3, "is no key", "a name, a quoted key, or }", "straight quotes"),
        ("{ a: hello }", 1, 6, "'hello' is no value", "a value", '"hello"'),
        ("{ a: True }", 1, 6, "'True' is no value", "a value", "write true"),
        ("{ a = 1 }", 1, 5, "the key 'a' has no value", ":", "write a: …"),
        ('{ a: "x\n}', 1, 6, "text is never closed", '" before the end of the line', ""),
        ("{ a: [1, 2 }", 1, 12, "comma is missing", ", or ]", ""),
        ("{ a: 1", 1, 7, "opened in line 1, is never closed", "}", ""),
        ("{ a: 007 }", 1, 6, "'007' is no value", "a value", "an id goes in quotes"),
        ("{ a: , }", 1, 6, "a value is missing before ','", "a value", ""),
        ("{} {}", 1, 4, "after the end", "nothing more", ""),
        ("/* x", 1, 1, "comment is never closed", "*/", ""),
        ('{ a: "\\ud83d" }', 1, 6, "lone surrogate", "", ""),
        ("[" * 200, 1, 102, "deeper than 100", "", ""),
        ("{ a: 1,\r\n\r\n  b }", 3, 5, "'b' has no value", ":", ""),
    ],
)
def test_errors_for_people(text: str, line: int, column: int, message: str, expected: str, fix: str) -> None:
    with pytest.raises(Json5Error) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert message in error.message
    assert error.expected == expected
    assert fix in error.fix
