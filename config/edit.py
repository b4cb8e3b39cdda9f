"""Edits of a JSON5 text that leave everything else as it was: comments, order, quotes, blank lines.

Each function takes the whole text and gives the whole new text. Places come from
:mod:`config.json5`, so an edit touches the characters of one value and nothing else; of keys
written twice the last one, which is the one that counts, is meant.
"""

from __future__ import annotations

import json
import re
from typing import Any

from config.json5 import Array, Member, Node, Object, Scalar, parse
from config.places import KeyPath, show_path

__all__ = [
    "append_item",
    "quote_number",
    "raw_at",
    "remove_key",
    "rename_key",
    "render",
    "set_raw",
    "set_value",
]

_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_TRIVIA = re.compile(r"(?:[\s\ufeff\u00a0]+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*", re.DOTALL)


def render(value: Any) -> str:
    """A value as JSON5 on one line."""
    return json.dumps(value, ensure_ascii=False)


def set_value(text: str, path: KeyPath, value: Any) -> str:
    """Write ``value`` at ``path``; objects on the way are made where they are missing.

    Raises:
        ValueError: something on the way is no object.
        Json5Error: the text is no JSON5.
    """
    return set_raw(text, path, render(value))


def set_raw(text: str, path: KeyPath, raw: str) -> str:
    """As :func:`set_value`, with the value as it is to stand in the file."""
    node: Node = parse(text)
    for depth, key in enumerate(path):
        child = _child(node, key)
        if child is None:
            if not isinstance(node, Object) or not isinstance(key, str):
                raise ValueError(f"{show_path(path[: depth + 1])} cannot be written: nothing can stand there")
            return _insert(text, node, key, _nested(path[depth + 1 :], raw, text, node))
        node = child
    return text[: node.start] + raw + text[node.end :]


def raw_at(text: str, path: KeyPath) -> str | None:
    """How the value at ``path`` is written; None if there is none."""
    node = _find(text, path)
    return None if node is None else text[node.start : node.end]


def rename_key(text: str, path: KeyPath, new: str) -> str:
    """Give the key at ``path`` another name; value and comments stay where they are."""
    member = _member(text, path)
    return text[: member.key_start] + _key(new, text[member.key_start]) + text[member.key_end :]


def remove_key(text: str, path: KeyPath) -> str:
    """Take a key and its value out, with its line if nothing else is on it."""
    box = _find(text, path[:-1])
    member = _member(text, path)
    assert isinstance(box, Object)
    start, end = member.key_start, member.value.end
    after = _skip(text, end)
    if text[after] == ",":
        end = after + 1
    else:
        # the last one without a comma: the comma before it would stay as the last character
        index = box.members.index(member)
        if index:
            before = box.members[index - 1].value.end
            comma = _skip(text, before)
            text = text[:comma] + " " + text[comma + 1 :]
    line = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    if stop >= 0 and not text[line:start].strip() and not text[end:stop].strip():
        return text[:line] + text[stop + 1 :]
    while end < len(text) and text[end] == " ":
        end += 1
    return text[:start] + text[end:]


def append_item(text: str, path: KeyPath, raw: str) -> str:
    """Put an item at the end of the list at ``path``; the list is made if there is none."""
    node = _find(text, path)
    if node is None:
        return set_raw(text, path, f"[{raw}]")
    if not isinstance(node, Array):
        raise ValueError(f"{show_path(path)} is no list")
    if not node.items:
        return text[: node.start + 1] + raw + text[node.end - 1 :]
    last = node.items[-1].end
    comma = _skip(text, last)
    if text[comma] == ",":
        return text[: comma + 1] + f" {raw}," + text[comma + 1 :]
    return text[:last] + f", {raw}" + text[last:]


def quote_number(text: str, path: KeyPath) -> str:
    """Put the number at ``path`` in quotes."""
    node = _find(text, path)
    if not isinstance(node, Scalar) or isinstance(node.value, str | bool) or node.value is None:
        raise ValueError(f"{show_path(path)} is no number")
    return text[: node.start] + f'"{node.value}"' + text[node.end :]


# -- places -----------------------------------------------------------------------------------------


def _child(node: Node, key: str | int) -> Node | None:
    if isinstance(node, Object) and isinstance(key, str):
        found = [member for member in node.members if member.key == key]
        return found[-1].value if found else None
    if isinstance(node, Array) and isinstance(key, int) and key < len(node.items):
        return node.items[key]
    return None


def _find(text: str, path: KeyPath) -> Node | None:
    node: Node | None = parse(text)
    for key in path:
        node = _child(node, key) if node is not None else None
    return node


def _member(text: str, path: KeyPath) -> Member:
    box = _find(text, path[:-1])
    found = [member for member in box.members if member.key == path[-1]] if isinstance(box, Object) else []
    if not found:
        raise ValueError(f"there is no {show_path(path)}")
    return found[-1]


def _skip(text: str, at: int) -> int:
    """The next character that is neither blank nor comment."""
    match = _TRIVIA.match(text, at)
    return match.end() if match else at


# -- writing ----------------------------------------------------------------------------------------


def _key(name: str, like: str) -> str:
    """A key in the manner of its neighbours: quoted where they are, or where it must be."""
    if like in "\"'":
        return f"{like}{name}{like}" if like not in name and "\\" not in name else json.dumps(name)
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _nested(path: KeyPath, raw: str, text: str, near: Object) -> str:
    like = text[near.members[0].key_start] if near.members else "a"
    for key in reversed(path):
        if not isinstance(key, str):
            raise ValueError(f"{show_path(path)} cannot be written: there is no such list")
        raw = f"{{ {_key(key, like)}: {raw} }}"
    return raw


def _insert(text: str, box: Object, name: str, raw: str) -> str:
    """A new member at the end of an object."""
    if not box.members:
        inside = text[box.start + 1 : box.end - 1]
        if inside.strip():  # a comment
            return text[: box.end - 1].rstrip() + f"\n{_key(name, 'a')}: {raw},\n" + text[box.end - 1 :]
        return text[: box.start] + f"{{ {_key(name, 'a')}: {raw} }}" + text[box.end :]
    last = box.members[-1]
    like = text[last.key_start]
    comma = _skip(text, last.value.end)
    has_comma = text[comma] == ","
    line = text.rfind("\n", 0, last.key_start) + 1
    indent = text[line : last.key_start]
    if indent.strip() or "\n" not in text[last.value.end : box.end]:
        # all on one line
        at = comma + 1 if has_comma else last.value.end
        return text[:at] + f"{'' if has_comma else ','} {_key(name, like)}: {raw}" + text[at:]
    close = box.end - 1
    end = len(text[:close].rstrip())
    fresh = f"\n{indent}{_key(name, like)}: {raw}{',' if has_comma else ''}"
    if has_comma:
        return text[:end] + fresh + text[end:]
    return text[: last.value.end] + "," + text[last.value.end : end] + fresh + text[end:]
