"""A JSON5 reader that keeps places: for errors people can find, and for edits that keep comments.

``pyjson5`` reads JSON5 quickly but forgets where things stood, drops duplicate keys in
silence and says "near 17". A config file is small, so this reader trades speed for three
things: every value knows its span in the text, an error names line, column and what was
expected, and keys written twice are seen. ``tests/config/test_json5.py`` holds it against
``pyjson5`` on generated documents.

The grammar is that of https://spec.json5.org. Beyond it only lone surrogates are refused,
because no file and no Redis key can hold them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

__all__ = ["Array", "Json5Error", "Member", "Node", "Object", "Scalar", "line_of", "parse", "to_python"]

MAX_DEPTH = 100

_SPACE = re.compile(r"[\t\v\f \u00a0\ufeff\n\r\u2028\u2029\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_COMMENT = re.compile(r"//[^\n\r\u2028\u2029]*|/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(
    r"[+-]?(?:Infinity|NaN|0[xX][0-9a-fA-F]+|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)
_PLAIN = {'"': re.compile(r'[^"\\\n\r]*'), "'": re.compile(r"[^'\\\n\r]*")}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_WORD = re.compile(r"[^\s,:{}\[\]\"'/]+")
_CURLY = "“”„‟«»「」‘’‚"


class Json5Error(ValueError):
    """The text is no JSON5.

    Attributes:
        offset: where, in characters from the start.
        line, column: where, counted from 1.
        line_text: the line itself.
        expected: what would have been right there.
        fix: what to write instead, or empty.
    """

    def __init__(self, text: str, offset: int, message: str, *, expected: str = "", fix: str = "") -> None:
        self.offset = offset
        self.line = line_of(text, offset)
        start = _line_start(text, offset)
        self.column = offset - start + 1
        self.line_text = re.split(r"[\n\r]", text[start : start + 400], maxsplit=1)[0]
        self.message = message
        self.expected = expected
        self.fix = fix
        super().__init__(f"line {self.line}, column {self.column}: {message}")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its span: ``text[start:end]``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """Text, number, boolean or null; ``raw`` is how it was written."""

    value: str | int | float | bool | None
    raw: str


@dataclass(frozen=True, slots=True)
class Member:
    """One ``key: value`` of an object."""

    key: str
    key_start: int
    key_end: int
    value: Node


@dataclass(frozen=True, slots=True)
class Object(Node):
    """Members in the order written, duplicates included."""

    members: tuple[Member, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Array(Node):
    """Items in order."""

    items: tuple[Node, ...] = field(default=())


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def line_of(text: str, offset: int) -> int:
    """Line number of a place, counted from 1; ``\\r\\n`` is one line end."""
    before = text[:offset]
    return before.count("\n") + len(re.findall(r"\r(?!\n)", before)) + 1


def parse(text: str) -> Node:
    """Read one JSON5 document.

    Raises:
        Json5Error: it is none; the error says where and why.
    """
    reader = _Reader(text)
    reader.skip()
    node = reader.value(0)
    reader.skip()
    if reader.at < len(text):
        reader.stop("there is something after the end of the document", expected="nothing more")
    return node


def to_python(node: Node) -> Any:
    """Plain dicts, lists and scalars; of keys written twice the last wins."""
    if isinstance(node, Object):
        return {member.key: to_python(member.value) for member in node.members}
    if isinstance(node, Array):
        return [to_python(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.value


def walk(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Every value with its path, outer ones first."""
    yield path, node
    if isinstance(node, Object):
        for member in node.members:
            yield from walk(member.value, (*path, member.key))
    elif isinstance(node, Array):
        for index, item in enumerate(node.items):
            yield from walk(item, (*path, index))


class _Reader:
    """A cursor over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def stop(self, message: str, *, expected: str = "", fix: str = "", at: int | None = None) -> NoReturn:
        raise Json5Error(self.text, self.at if at is None else at, message, expected=expected, fix=fix)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self) -> None:
        """Past white space and comments."""
        while True:
            start = self.at
            match = _SPACE.match(self.text, self.at)
            if match:
                self.at = match.end()
            if self.text.startswith("/", self.at):
                match = _COMMENT.match(self.text, self.at)
                if match is None:
                    if self.text.startswith("/*", self.at):
                        self.stop("this comment is never closed", expected="*/")
                    self.stop("a lone / means nothing here", expected="// or /* for a comment")
                self.at = match.end()
            if self.at == start:
                return

    def value(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.stop(f"values are nested deeper than {MAX_DEPTH} levels")
        char = self.peek()
        if char == "{":
            return self.object(depth)
        if char == "[":
            return self.array(depth)
        if char in ('"', "'"):
            start = self.at
            text = self.string()
            return Scalar(start, self.at, text, self.text[start : self.at])
        return self.plain()

    def object(self, depth: int) -> Object:
        start = self.at
        self.at += 1
        members: list[Member] = []
        while True:
            self.skip()
            if self.peek() == "}":
                self.at += 1
                return Object(start, self.at, tuple(members))
            key_start = self.at
            key = self.key(start)
            key_end = self.at
            self.skip()
            if self.peek() != ":":
                self.stop(
                    f"the key {key!r} has no value",
                    expected=":",
                    fix=f"write {key}: …" if self.peek() == "=" else "",
                )
            self.at += 1
            self.skip()
            members.append(Member(key, key_start, key_end, self.value(depth + 1)))
            self.separator(start, "}", "this object")

    def array(self, depth: int) -> Array:
        start = self.at
        self.at += 1
        items: list[Node] = []
        while True:
            self.skip()
            if self.peek() == "]":
                self.at += 1
                return Array(start, self.at, tuple(items))
            items.append(self.value(depth + 1))
            self.separator(start, "]", "this list")

    def separator(self, start: int, closing: str, what: str) -> None:
        """A comma, or the closing bracket which is left for the caller."""
        end = self.at
        self.skip()
        char = self.peek()
        if char == ",":
            self.at += 1
        elif char != closing:
            if not char:
                opened = line_of(self.text, start)
                self.stop(f"{what}, opened in line {opened}, is never closed", expected=closing, at=end)
            self.stop("a comma is missing before this", expected=f", or {closing}")

    def key(self, opened: int) -> str:
        char = self.peek()
        if char in ('"', "'"):
            return self.string()
        if not char:
            line = line_of(self.text, opened)
            self.stop(f"this object, opened in line {line}, is never closed", expected="}")
        if char.isdigit() or char in "+-.":
            match = _WORD.match(self.text, self.at)
            word = match.group() if match else char
            self.stop(
                "a key that is a number must be in quotes", expected="a quoted key", fix=f'write "{word}": …'
            )
        name = self.identifier()
        if not name:
            match = _WORD.match(self.text, self.at)
            word = match.group() if match else char
            fix = f'write "{word}": …' if match else ""
            if char in _CURLY:
                fix = "use straight quotes, \" or '"
            self.stop(f"{word[:40]!r} is no key", expected="a name, a quoted key, or }", fix=fix)
        after = self.peek()
        if after == "-":
            match = _WORD.match(self.text, self.at)
            word = name + (match.group() if match else "")
            self.stop(f"the key {word!r} needs quotes", expected=":", fix=f'write "{word}": …')
        return name

    def identifier(self) -> str:
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.text.startswith("\\u", self.at):
                self.at += 2
                char = chr(self.hex(4))
                ok = _is_id(char, first=not parts)
                if not ok:
                    self.stop("this escape is no letter of a name")
                parts.append(char)
                continue
            if not _is_id(char, first=not parts):
                break
            parts.append(char)
            self.at += 1
        return "".join(parts)

    def plain(self) -> Scalar:
        """A number, true, false or null."""
        start = self.at
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(word, start) and not _is_id(
                self.text[start + len(word) : start + len(word) + 1]
            ):
                self.at += len(word)
                return Scalar(start, self.at, value, word)
        match = _NUMBER.match(self.text, start)
        if match and not _is_id(self.text[match.end() : match.end() + 1]):
            self.at = match.end()
            return Scalar(start, self.at, _number(match.group()), match.group())
        return self.no_value()

    def no_value(self) -> NoReturn:
        char = self.peek()
        if not char:
            self.stop("the document ends where a value should stand", expected="a value")
        if char in ",}]:":
            self.stop(f"a value is missing before {char!r}", expected="a value")
        if char in _CURLY:
            self.stop("curly quotes are no quotes", expected="a value", fix="use straight quotes, \" or '")
        match = _WORD.match(self.text, self.at)
        word = match.group()[:60] if match else char
        fix = {"True": "write true", "False": "write false", "None": "write null", "nil": "write null"}.get(
            word
        )
        if fix is None and word.isdigit():
            fix = "a number starts with no 0; an id goes in quotes"
        self.stop(f"{word!r} is no value", expected="a value", fix=fix or f'text goes in quotes: "{word}"')

    def string(self) -> str:
        start = self.at
        quote = self.text[start]
        plain = _PLAIN[quote]
        self.at += 1
        parts: list[str] = []
        while True:
            match = plain.match(self.text, self.at)
            assert match is not None
            parts.append(match.group())
            self.at = match.end()
            char = self.peek()
            if char == quote:
                self.at += 1
                return self.joined(parts, start)
            if char == "\\":
                parts.append(self.escape())
            else:
                self.stop(
                    "this text is never closed", expected=f"{quote} before the end of the line", at=start
                )

    def joined(self, parts: list[str], start: int) -> str:
        text = "".join(parts)
        if re.search(r"[\ud800-\udfff]", text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if "\ufffd" in text:
                self.stop("this text holds half of a character (a lone surrogate)", at=start)
        return text

    def escape(self) -> str:
        self.at += 1
        char = self.peek()
        self.at += 1
        if char == "u":
            return chr(self.hex(4))
        if char == "x":
            return chr(self.hex(2))
        if char == "\r" and self.peek() == "\n":
            self.at += 1
            return ""
        if char in "\n\r\u2028\u2029":
            if not char:
                self.stop("the document ends inside a text", expected="a closing quote")
            return ""
        if char == "0" and self.peek().isdigit():
            self.stop("octal escapes are not allowed", expected="\\x or \\u", at=self.at - 2)
        if char in "123456789":
            self.stop("digits cannot be escaped", expected="\\x or \\u", at=self.at - 2)
        return _ESCAPES.get(char, char)

    def hex(self, digits: int) -> int:
        text = self.text[self.at : self.at + digits]
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
            self.stop(f"an escape needs {digits} hex digits", expected=f"{digits} hex digits")
        self.at += digits
        return int(text, 16)


def _is_id(char: str, *, first: bool = False) -> bool:
    if not char:
        return False
    if char in "$_" or (char.isascii() and char.isalpha()):
        return True
    category = unicodedata.category(char)
    if category in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nl"}:
        return True
    return not first and (category in {"Mn", "Mc", "Nd", "Pc"} or char in "\u200c\u200d")


def _number(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits in {"Infinity", "NaN"}:
        return sign * float(digits.lower().replace("infinity", "inf"))
    if digits[:2] in {"0x", "0X"}:
        return sign * int(digits, 16)
    if re.fullmatch(r"[0-9]{1,4000}", digits):
        return sign * int(digits)
    return sign * float(digits)
