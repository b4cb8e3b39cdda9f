"""Turns what pydantic says about a file into sentences for people.

One :class:`~shoal.base.errors.ConfigIssue` for each place: where, what was found (secrets
masked), what is allowed, the nearest known key, and the line in the file.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from config.places import KeyPath, show_path
from config.schema.base import names
from config.schema.walk import is_secret, known_keys, places_of
from shoal.base.errors import ConfigIssue
from shoal.base.redact import MASK, mask_url, redactor

__all__ = [
    "MISSING",
    "Findings",
    "as_written",
    "describe",
    "line_at",
    "mask_text",
    "nearest",
    "show_value",
    "unknown_key",
]

Lines = Mapping[KeyPath, str]

_TELLING = re.compile(
    r"""(?i)((?:token|key|password|passwd|secret|authorization|cookie|credential|proxy)s?["']?\s*[:=]\s*)[^\s,}].*"""
)
_SECRET_NAME = re.compile(r"(?i)to?ke?n|key|pass|pwd|pw$|auth|secret|cookie|cred")
"""What an unknown key is called that holds a secret: wider than the schema's words, for keys nobody knows."""
_OPAQUE = re.compile(r"[A-Za-z0-9_+/=.\-]{20,}")

MISSING = "this key is required"

_ACCESS_WORDS = names(
    """
    users roles allowFrom approvers deny allow alsoAllow enabled policy dmPolicy groupPolicy
    groupChannels security ask ownerAllowFrom allowedUsers proxy token
    """
)
"""Keys whose writer wanted to keep something out. In a wrong place they are an error, not a warning."""

_COMMON_WORDS = names(
    """
    id name type mode model provider source env path to channel host port url
    """
)
"""Keys so common that standing elsewhere says nothing about where this one belongs."""

_ALLOWED = {
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "dict_type": "an object { … }",
    "model_type": "an object { … }",
    "model_attributes_type": "an object { … }",
    "list_type": "a list [ … ]",
    "secret_type": "text in quotes",
    "string_too_short": "text that is not empty",
}


class Findings:
    """Issues and warnings of one validation; ``paths`` is where they stand in the validated data."""

    def __init__(self) -> None:
        self.issues: list[ConfigIssue] = []
        self.warnings: list[ConfigIssue] = []
        self.paths: list[KeyPath] = []


def nearest(key: str, known: Sequence[str]) -> str | None:
    """The known key that looks most like ``key``, or none that looks like it."""
    folded = {name.lower().replace("_", "").replace("-", ""): name for name in known}
    wanted = key.lower().replace("_", "").replace("-", "")
    found = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.72)
    return folded[found[0]] if found else None


def mask_text(text: str) -> str:
    """A piece of a file that could not be read, without what may be a secret.

    Nothing is known there but the words: values behind telling names and long opaque words are masked.
    """
    text = mask_url(redactor.mask(text))
    text = _TELLING.sub(lambda found: f"{found.group(1)}{MASK}", text)
    return _OPAQUE.sub(lambda found: found.group() if found.group().isdigit() else MASK, text)


def show_value(value: Any, path: KeyPath) -> str:
    """A value for an error text: short, and masked where it may be secret."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if is_secret(path):
        return MASK
    if isinstance(value, str):
        value = mask_url(redactor.mask(value))
        value = value if len(value) <= 60 else value[:57] + "…"
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(type(value).__name__)


def describe(
    errors: Sequence[ErrorDetails], data: Any, *, base: KeyPath = (), lines: Lines | None = None,
    moved: Mapping[KeyPath, KeyPath] | None = None,
) -> Findings:  # fmt: skip
    """Issues of a pydantic error list.

    Args:
        errors: of validating ``data``.
        base: where ``data`` stands in the file.
        lines: places in the file, for the hint.
        moved: present path → path as written, for old shapes that were rewritten.
    """
    findings = Findings()
    located = _deepest(
        [(error, _real_path(error["loc"], data, missing=error["type"] == "missing")) for error in errors],
        data,
    )
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for error, path in located:
        grouped.setdefault(path, []).append(error)
    for path, group in grouped.items():
        keys = str((group[0].get("ctx") or {}).get("keys", "")).split()
        keys = [key for key in keys if _value_at(data, (*path, key)) is not None]
        findings.paths.extend([(*path, key) for key in keys] or [path])
        whole = (*base, *path)
        written = as_written(whole, moved or {})
        where = line_at(written, lines or {})
        value = _value_at(data, path)
        if any(error["type"] == "extra_forbidden" for error in group):
            _unknown_key(findings, whole, written, value, where)
            continue
        allowed, message, hint = _words(group, value)
        findings.issues.append(
            ConfigIssue(
                show_path(written),
                message,
                found="" if keys or group[0]["type"] == "missing" else show_value(value, whole),
                allowed=allowed,
                hint=_join(hint, where),
            )
        )
    return findings


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def as_written(path: KeyPath, moved: Mapping[KeyPath, KeyPath]) -> KeyPath:
    """The path as it stands in the file, for a value that was moved."""
    for end in range(len(path), 0, -1):
        old = moved.get(path[:end])
        if old is not None:
            return (*old, *path[end:])
    return path


def line_at(path: KeyPath, lines: Lines) -> str:
    """Where a value stands, ``"shoal.json line 12"``; of what is not written, what it would stand in."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return ""


def _real_path(loc: tuple[str | int, ...], data: Any, *, missing: bool) -> KeyPath:
    """Pydantic's location without the names of union branches, which are no keys of the file."""
    path: list[str | int] = []
    value = data
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside:
            path.append(part)
            value = value[part]
        elif last and missing:
            path.append(part)
    return tuple(path)


def _deepest(located: list[tuple[ErrorDetails, KeyPath]], data: Any) -> list[tuple[ErrorDetails, KeyPath]]:
    """Without "is no text" for an object whose own keys are wrong: that was another branch of a union."""
    paths = {path for _, path in located}
    result = []
    for error, path in located:
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        if deeper and error["type"].endswith("_type") and isinstance(_value_at(data, path), dict | list):
            continue
        result.append((error, path))
    return result


def _value_at(data: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _words(group: list[ErrorDetails], value: Any) -> tuple[str, str, str]:
    """What is allowed, what is wrong, what to do — of all errors of one place together."""
    allowed: list[str] = []
    message = ""
    hint = ""
    for error in group:
        context = error.get("ctx") or {}
        if "sentence" in context:
            message = str(context["sentence"])
            hint = hint or str(context.get("hint", ""))
            one = str(context.get("allowed", ""))
        else:
            one = _allowed(error, context)
        if one and one not in allowed:
            allowed.append(one)
    kind = group[0]["type"]
    if not message:
        if kind == "missing":
            message = MISSING
        elif kind in {"union_tag_invalid", "literal_error", "union_tag_not_found"}:
            message = "this value is not known"
        elif kind.endswith("_type") or kind == "int_from_float":
            message = "this value has the wrong type"
        else:
            message = "this value is not allowed"
    if (
        not hint
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and "text in quotes" in allowed
    ):
        hint = "put it in quotes"
    if not hint and kind == "literal_error" and isinstance(value, str):
        options = [
            option for option in ", ".join(allowed).replace(" or ", ", ").split(", ") if option[:1] in "'\""
        ]
        close = nearest(value, [option.strip("'\"") for option in options])
        hint = f"did you mean {json.dumps(close)}?" if close and close != value else ""
    return " or ".join(allowed), message, hint


def _allowed(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _ALLOWED:
        return _ALLOWED[kind]
    limits = {
        "greater_than": ("gt", "more than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in limits:
        key, words = limits[kind]
        return f"{words} {context.get(key)}"
    if kind == "too_long":
        return f"at most {context.get('max_length')} entries"
    if kind == "too_short":
        return f"at least {context.get('min_length')} entries"
    if kind == "string_too_long":
        return f"at most {context.get('max_length')} characters"
    if kind in {"literal_error", "union_tag_invalid"}:
        return str(context.get("expected") or context.get("expected_tags") or "").replace("'", '"')
    if kind == "union_tag_not_found":
        return f"an object with {str(context.get('discriminator', 'a type')).strip(chr(39))}"
    return "" if kind in {"missing", "extra_forbidden"} else str(error["msg"])


def unknown_key(
    findings: Findings, path: KeyPath, value: Any, lines: Lines, *, known: Sequence[str], strict: bool = False
) -> bool:
    """Judge a key of an open object (the root, ``channels``).

    Args:
        strict: the key cannot be anything foreign, so it must be known.

    Returns:
        Whether it was reported; otherwise it is foreign and kept.
    """
    key = str(path[-1])
    if not strict and nearest(key, known) is None and (not places_of(key, ()) or key in _COMMON_WORDS):
        return False
    _unknown_key(findings, path, path, value, line_at(path, lines), known)
    return True


def _unknown_key(
    findings: Findings,
    path: KeyPath,
    written: KeyPath,
    value: Any,
    where: str,
    known: Sequence[str] | None = None,
) -> None:
    """A key in a wrong place is a warning, unless it was meant to keep something out; others are errors."""
    key = str(path[-1])
    known = known_keys(path[:-1]) if known is None else known
    close = nearest(key, known)
    places = [] if key in _COMMON_WORDS or close else places_of(key, path[:-1])
    shown = show_path(written)
    # a slip in the name of a secret key, or another word for it, must not show the secret
    secret = is_secret((*path[:-1], close) if close else path) or _SECRET_NAME.search(key) is not None
    found = MASK if secret and isinstance(value, str) else show_value(value, path)
    place = f"its place is {' or '.join(places[:2])}" if places else ""
    if places and key not in _ACCESS_WORDS:
        findings.warnings.append(
            ConfigIssue(shown, "this key has no effect here", found=found, hint=_join(place, where))
        )
        return
    hint = f"did you mean {close}?" if close else place
    allowed = "" if close or len(known) > 12 else ", ".join(known)
    findings.issues.append(
        ConfigIssue(shown, "this key is not known", found=found, allowed=allowed, hint=_join(hint, where))
    )
