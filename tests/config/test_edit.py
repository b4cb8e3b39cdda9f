"""Edits of a JSON5 text touch one value and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.edit import append_item, quote_number, raw_at, remove_key, rename_key, set_raw, set_value
from config.json5 import parse, to_python

FILE = """\
// my bot
{
  channels: {
    discord: {
      token: "x", // secret
      dm: { policy: "open", allowFrom: ["*"] },
      guilds: {
        /* the reef */
        "123": { requireMention: true },
      },
    },
  },
  messages: {
    language: 'zh'
  }
}
"""


def data(text: str) -> Any:
    return to_python(parse(text))


def changed(before: str, after: str) -> list[str]:
    """Lines that are not the same."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in new if line not in old]


def test_a_value_is_replaced_in_its_place() -> None:
    after = set_value(FILE, ("channels", "discord", "dm", "policy"), "pairing")
    assert changed(FILE, after) == ['      dm: { policy: "pairing", allowFrom: ["*"] },']


def test_a_key_is_added_in_the_manner_of_its_neighbours() -> None:
    after = set_value(FILE, ("channels", "discord", "dmPolicy"), "open")
    assert changed(FILE, after) == ['      dmPolicy: "open",']
    after = set_value(FILE, ("messages", "more"), 1)
    assert changed(FILE, after) == ["    language: 'zh',", "    more: 1"]
    after = set_value(FILE, ("channels", "discord", "dm", "enabled"), True)
    assert changed(FILE, after) == ['      dm: { policy: "open", allowFrom: ["*"], enabled: true },']
    quoted = set_value('{"a": 1}', ("b", "c d"), 2)
    assert quoted == '{"a": 1, "b": { "c d": 2 }}'


def test_objects_on_the_way_are_made() -> None:
    after = set_value(FILE, ("commands", "ownerAllowFrom"), ["discord:1"])
    assert data(after)["commands"] == {"ownerAllowFrom": ["discord:1"]}
    assert data(set_value("{}", ("a", "b"), None)) == {"a": {"b": None}}
    assert data(set_value("{ /* nothing yet */ }", ("a",), 1)) == {"a": 1}
    assert data(set_value("{\n  // nothing yet\n}", ("a",), 1)) == {"a": 1}
    with pytest.raises(ValueError, match=r"messages\.language\.x"):
        set_value(FILE, ("messages", "language", "x"), 1)


def test_a_key_is_renamed_where_it_stands() -> None:
    after = rename_key(FILE, ("channels", "discord", "guilds", "123"), "456")
    assert changed(FILE, after) == ['        "456": { requireMention: true },']
    assert rename_key("{allow: true}", ("allow",), "enabled") == "{enabled: true}"
    with pytest.raises(ValueError, match="there is no"):
        rename_key(FILE, ("nothing",), "x")


def test_a_key_is_removed_with_its_line() -> None:
    after = remove_key(FILE, ("channels", "discord", "dm"))
    assert "dm:" not in after
    assert changed(FILE, after) == []
    assert len(after.splitlines()) == len(FILE.splitlines()) - 1
    assert "// secret" in remove_key(FILE, ("channels", "discord", "token"))
    assert data(remove_key('{"a": 1, "b": 2}', ("b",))) == {"a": 1}
    assert "," not in remove_key('{"a": 1, "b": 2}', ("b",))  # still plain JSON
    assert data(remove_key('{"a": 1}', ("a",))) == {}


def test_lists_grow_at_the_end() -> None:
    assert append_item("{a: [1]}", ("a",), "2") == "{a: [1, 2]}"
    assert append_item("{a: [1,]}", ("a",), "2") == "{a: [1, 2,]}"
    assert append_item("{a: []}", ("a",), "2") == "{a: [2]}"
    assert append_item("{}", ("a",), "2") == "{ a: [2] }"
    with pytest.raises(ValueError, match="no list"):
        append_item("{a: 1}", ("a",), "2")


def test_numbers_get_quotes() -> None:
    assert quote_number("{a: [12]}", ("a", 0)) == '{a: ["12"]}'
    with pytest.raises(ValueError, match="no number"):
        quote_number("{a: ['12']}", ("a", 0))


def test_raw_text_moves_with_its_comments() -> None:
    text = "{a: [1, /* one */ 2], b: {}}"
    raw = raw_at(text, ("a",))
    assert raw == "[1, /* one */ 2]"
    assert raw_at(text, ("c",)) is None
    assert "/* one */" in set_raw(text, ("b", "a"), raw)


KEYS = st.sampled_from(["a", "b", "c d", "é", "x-y"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def spread(value: Any, style: int, depth: int = 0) -> str:
    """The value written in one of several manners: lines, comments, trailing commas."""
    import json

    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    pad = "  " * (depth + 1)
    items = [
        f"{json.dumps(key, ensure_ascii=False)}: {spread(item, style, depth + 1)}"
        for key, item in value.items()
    ]
    comma = "," if style % 2 else ""
    if style < 2:
        return "{" + ", ".join(items) + comma + "}"
    note = " // note" if style >= 4 else ""
    last = [f"{pad}{item}," for item in items[:-1]] + [f"{pad}{items[-1]}{comma}{note}"]
    return "{\n" + "\n".join(last) + "\n" + "  " * depth + "}"


@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.lists(KEYS, min_size=1, max_size=3),
    VALUES,
    st.integers(0, 5),
)
def test_writing_is_writing(before: dict[str, Any], path: list[str], value: Any, style: int) -> None:
    """What comes out is what a plain assignment gives, however the text is laid out."""
    expected = to_python(parse(spread(before, style)))
    box = expected
    for key in path[:-1]:
        box = box.setdefault(key, {})
        if not isinstance(box, dict):
            with pytest.raises(ValueError):
                set_value(spread(before, style), tuple(path), value)
            return
    box[path[-1]] = value
    assert data(set_value(spread(before, style), tuple(path), value)) == expected


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.integers(0, 5), st.integers(0, 3))
def test_removing_is_removing(before: dict[str, Any], style: int, which: int) -> None:
    key = sorted(before)[which % len(before)]
    expected = {name: value for name, value in before.items() if name != key}
    assert data(remove_key(spread(before, style), (key,))) == expected
