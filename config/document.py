"""From files to plain data: JSON5, ``$include``, keys written twice, numbers that lose digits.

:func:`read_document` never raises for what a file holds; it collects every problem in
``issues`` and ``warnings``, so that one run shows all of them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.issues import mask_text
from config.json5 import Array, Json5Error, Node, Object, Scalar, line_of, parse
from config.places import KeyPath, show_path
from config.schema.base import SAFE_INTEGER
from shoal.base.errors import ConfigIssue
from shoal.base.redact import MASK

__all__ = ["Document", "read_document"]

MAX_BYTES = 10 * 1024 * 1024
MAX_INCLUDES = 10
_YAML_LINE = re.compile(r"\s*(?:-\s+)?[A-Za-z_][\w.-]*:(?:\s|$)|---\s*$")

JSON5_EXAMPLE = (
    "{\n"
    "    channels: {\n"
    "      discord: {\n"
    "        enabled: true,\n"
    '        proxy: "http://127.0.0.1:7890/",\n'
    "      },\n"
    "    },\n"
    "  }"
)


@dataclass
class Document:
    """A config file and everything it includes, as plain data.

    Attributes:
        data: the merged object; ``{}`` when something could not be read.
        files: every file that was read.
        digest: hash of all their texts.
        lines: where values stand, ``"shoal.json line 12"`` by path; of merged values the last.
        long_numbers: numbers that would lose digits, as written, by path.
    """

    data: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    digest: str = ""
    lines: dict[KeyPath, str] = field(default_factory=dict)
    long_numbers: dict[KeyPath, str] = field(default_factory=dict)
    issues: list[ConfigIssue] = field(default_factory=list)
    warnings: list[ConfigIssue] = field(default_factory=list)


def read_document(path: Path, *, roots: Sequence[Path] = ()) -> Document:
    """Read ``path`` and its includes.

    Args:
        roots: folders includes may lie in, besides the file's own.
    """
    reader = _DocumentReader([path.parent, *roots])
    value = reader.file(path, (), ())
    document = reader.document
    document.digest = reader.hash.hexdigest()
    if isinstance(value, dict):
        document.data = value
    elif not document.issues:
        document.issues.append(
            ConfigIssue("", "the file must hold one object", found=_kind(value), allowed="{ … }")
        )
    return document


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )


class _DocumentReader:
    def __init__(self, roots: Sequence[Path]) -> None:
        self.document = Document()
        self.roots = [Path(os.path.realpath(root)) for root in roots]
        self.hash = hashlib.blake2b(digest_size=12)

    def issue(self, path: KeyPath, message: str, **more: str) -> None:
        self.document.issues.append(ConfigIssue(show_path(path), message, **more))

    def file(self, path: Path, at: KeyPath, chain: tuple[Path, ...]) -> Any:
        """Data of one file, placed at ``at`` of the whole."""
        text = self.text(path, at)
        if text is None:
            return {}
        self.document.files.append(path)
        self.hash.update(text.encode("utf-8", "replace") + b"\0")
        if not _significant(text):
            self.document.warnings.append(ConfigIssue(show_path(at), f"{path.name} is empty; defaults apply"))
            return {}
        if path.suffix.lower() in {".yaml", ".yml"} or _looks_like_yaml(text):
            self.issue(
                at,
                f"{path.name} is YAML; the config is JSON5, like this:\n  {JSON5_EXAMPLE}",
                hint="rewrite it as JSON5 (braces, colons, commas, text in straight quotes)",
            )
            return {}
        try:
            node = parse(text)
        except Json5Error as error:
            shown = mask_text(error.line_text.strip())
            self.issue(
                at,
                f"{path.name} line {error.line}, column {error.column}: {_hidden(error.message, shown)}",
                found=repr(shown[:120]) if shown else "",
                allowed=error.expected,
                hint=_hidden(error.fix, shown),
            )
            return {}
        return self.place(node, path, text, at, (*chain, Path(os.path.realpath(path))))

    def text(self, path: Path, at: KeyPath) -> str | None:
        try:
            if not path.is_file():
                raise FileNotFoundError(2, "there is no such file" if not path.exists() else "a folder")
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            self.issue(at, f"{path} cannot be read", found=error.strerror or str(error))
            return None
        if len(data) > MAX_BYTES:
            self.issue(at, f"{path} is larger than {MAX_BYTES // 1024 // 1024} MiB")
            return None
        try:
            encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            self.issue(at, f"{path.name} line {line}: this is not UTF-8", hint="save the file as UTF-8")
            return None

    def place(self, node: Node, path: Path, text: str, at: KeyPath, chain: tuple[Path, ...]) -> Any:
        """Plain data of a node; includes resolved, places noted, problems collected."""
        where = f"{path.name} line {line_of(text, node.start)}"
        self.document.lines[at] = where
        if isinstance(node, Array):
            return [
                self.place(item, path, text, (*at, index), chain) for index, item in enumerate(node.items)
            ]
        if isinstance(node, Scalar):
            value = node.value
            if isinstance(value, int) and abs(value) > SAFE_INTEGER:
                digits = self.document.long_numbers[at] = node.raw.lstrip("+")
                return digits
            return value
        assert isinstance(node, Object)
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for member in node.members:
            if member.key in first:
                before = line_of(text, first[member.key])
                again = line_of(text, member.key_start)
                self.document.warnings.append(
                    ConfigIssue(
                        show_path((*at, member.key)),
                        f"this key stands twice in one object ({path.name} lines {before} and {again}); "
                        "the last one counts",
                        hint="join the two",
                    )
                )
                result.pop(member.key, None)
            first[member.key] = member.key_start
            if member.key == "$include":
                continue
            result[member.key] = self.place(member.value, path, text, (*at, member.key), chain)
        if "$include" not in first:
            return result
        directive = next(member for member in reversed(node.members) if member.key == "$include")
        return self.include(directive.value, result, path, at, chain)

    def include(
        self, directive: Node, siblings: dict[str, Any], path: Path, at: KeyPath, chain: tuple[Path, ...]
    ) -> Any:
        names = _names(directive)
        if names is None:
            self.issue((*at, "$include"), "an include is a file name or a list of them")
            return siblings
        merged: Any = None
        for name in names:
            target = self.include_target(name, path, at, chain)
            if target is None:
                continue
            value = self.file(target, at, chain)
            merged = value if merged is None else _merge(merged, value)
        if not siblings:
            return {} if merged is None else merged
        if merged is not None and not isinstance(merged, dict):
            self.issue((*at, "$include"), "a file included beside other keys must hold an object")
            return siblings
        return _merge(merged or {}, siblings)

    def include_target(self, name: str, path: Path, at: KeyPath, chain: tuple[Path, ...]) -> Path | None:
        place = (*at, "$include")
        try:
            target = path.parent / Path(name).expanduser()
            real = Path(os.path.realpath(target))
        except (ValueError, RuntimeError, OSError):
            self.issue(place, "this is no file name", found=repr(name[:80]))
            return None
        if not any(real.is_relative_to(root) for root in self.roots):
            allowed = " or ".join(str(root) for root in self.roots)
            self.issue(
                place, "the included file lies outside the config folders", found=name, allowed=allowed
            )
        elif real in chain:
            names = " → ".join(item.name for item in (*chain, real))
            self.issue(place, "files include each other in a circle", found=names)
        elif len(chain) > MAX_INCLUDES:
            self.issue(place, f"includes are nested deeper than {MAX_INCLUDES} levels")
        else:
            return target
        return None


def _hidden(sentence: str, shown: str) -> str:
    """The sentence without quoted words that are masked in the line it is about."""
    return re.sub(
        r"""(['"])(.+?)\1""",
        lambda found: found.group() if found.group(2) in shown else f"{found.group(1)}{MASK}{found.group(1)}",
        sentence,
    )


def _names(node: Node) -> list[str] | None:
    items = node.items if isinstance(node, Array) else (node,)
    names = [item.value for item in items if isinstance(item, Scalar)]
    if len(names) != len(items) or not all(isinstance(name, str) and name for name in names):
        return None
    return [str(name) for name in names]


def _merge(below: Any, above: Any) -> Any:
    """Objects merge, lists are joined, of anything else the upper one stays."""
    if isinstance(below, dict) and isinstance(above, dict):
        result = dict(below)
        for key, value in above.items():
            result[key] = _merge(result[key], value) if key in result else value
        return result
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return above


def _significant(text: str) -> str:
    return re.sub(r"//[^\n\r]*|/\*.*?\*/|[\s\ufeff]+", "", text, flags=re.DOTALL)


def _looks_like_yaml(text: str) -> bool:
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "//", "/*", "*")):
            return bool(_YAML_LINE.match(line)) and not stripped.endswith(("{", "["))
    return False
