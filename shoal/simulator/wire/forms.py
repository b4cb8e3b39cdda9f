"""Checks that collect every problem of a body at once, in Discord's nested form.

A check takes a value and a :class:`Problems` node and returns the cleaned value; what it complains about goes
into the node. ``{"embeds": {"0": {"title": {"_errors": [{"code": …, "message": …}]}}}}`` is the tree of one
problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from shoal.simulator.errors import ApiError, invalid_form

__all__ = [
    "Check",
    "Field",
    "Problems",
    "anything",
    "boolean",
    "integer",
    "list_of",
    "number",
    "obj",
    "snowflake",
    "text",
    "url",
    "validate",
]

Check: TypeAlias = "Callable[[Any, Problems], Any]"

MESSAGES = {
    "BASE_TYPE_REQUIRED": "This field is required",
    "LIST_TYPE_CONVERT": "Only iterables may be used in a ListType",
    "DICT_TYPE_CONVERT": "Only dictionaries may be used in a DictType",
    "BOOLEAN_TYPE_CONVERT": "Must be either true or false.",
    "COMPONENT_CUSTOM_ID_DUPLICATED": "Component custom id cannot be duplicated",
    "COMPONENT_LAYOUT_WIDTH_EXCEEDED": "The specified component exceeds the maximum width",
    "MESSAGE_REFERENCE_UNKNOWN_MESSAGE": "Unknown message",
    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2": (
        "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
    ),
}


class Problems:
    """A node of the tree of problems."""

    def __init__(self) -> None:
        self._errors: list[dict[str, str]] = []
        self._children: dict[str, Problems] = {}

    def at(self, *keys: str | int) -> Problems:
        """The node below, made when needed."""
        node = self
        for key in keys:
            node = node._children.setdefault(str(key), Problems())
        return node

    def add(self, code: str, message: str | None = None) -> None:
        """Complain about the value of this node."""
        self._errors.append({"code": code, "message": message or MESSAGES.get(code, code)})

    def tree(self) -> dict[str, Any]:
        """Discord's ``errors`` object; empty when nothing is wrong."""
        tree: dict[str, Any] = {}
        for key, child in self._children.items():
            below = child.tree()
            if below:
                tree[key] = below
        if self._errors:
            tree["_errors"] = self._errors
        return tree


@dataclass(frozen=True, slots=True)
class Field:
    """A key of an object."""

    check: Check
    required: bool = False
    nullable: bool = False


def validate(check: Check, value: Any) -> Any:
    """The cleaned value.

    Raises:
        ApiError: 400, code 50035, with every problem.
    """
    problems = Problems()
    cleaned = check(value, problems)
    tree = problems.tree()
    if tree:
        raise invalid_form(tree)
    return cleaned


def anything(value: Any, _problems: Problems) -> Any:
    """Everything passes."""
    return value


def boolean(value: Any, problems: Problems) -> Any:
    """true or false."""
    if not isinstance(value, bool):
        problems.add("BOOLEAN_TYPE_CONVERT")
    return value


def snowflake(value: Any, problems: Problems) -> str:
    """An id: a string or number of digits below 2^63."""
    shown = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,20}", shown) or int(shown) >= 1 << 63:
        problems.add("NUMBER_TYPE_COERCE", f'Value "{shown[:60]}" is not snowflake.')
    return shown


def text(low: int = 0, high: int | None = None, *, choices: Sequence[str] = (), strip: bool = False) -> Check:
    """A string of ``low`` to ``high`` code points, measured after trimming if ``strip``."""

    def check(value: Any, problems: Problems) -> Any:
        if isinstance(value, bool | float | int):
            value = str(value)
        if not isinstance(value, str):
            problems.add("STRING_TYPE_CONVERT", "Could not interpret the value as string.")
            return ""
        if strip:
            value = value.strip()
        if choices and value not in choices:
            problems.add("BASE_TYPE_CHOICES", f"Value must be one of {{{', '.join(map(repr, choices))}}}.")
        if low and high is not None and not low <= len(value) <= high:
            problems.add("BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        elif high is not None and len(value) > high:
            problems.add("BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
        elif len(value) < low:
            problems.add("BASE_TYPE_MIN_LENGTH", f"Must be {low} or more in length.")
        return value

    return check


def integer(low: int | None = None, high: int | None = None, *, choices: Sequence[int] = ()) -> Check:
    """A whole number, given as a number or as digits."""

    def check(value: Any, problems: Problems) -> Any:
        coerced = value
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value):
            coerced = int(value)
        if isinstance(coerced, float) and coerced.is_integer():
            coerced = int(coerced)
        if isinstance(coerced, bool) or not isinstance(coerced, int):
            problems.add("NUMBER_TYPE_COERCE", f'Value "{str(value)[:60]}" is not int.')
            return 0
        if choices and coerced not in choices:
            problems.add("BASE_TYPE_CHOICES", f"Value must be one of {{{', '.join(map(str, choices))}}}.")
        if low is not None and coerced < low:
            problems.add("NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
        if high is not None and coerced > high:
            problems.add("NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")
        return coerced

    return check


def number(value: Any, problems: Problems) -> Any:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.add("NUMBER_TYPE_COERCE", f'Value "{str(value)[:60]}" is not float.')
        return 0.0
    return value


def url(schemes: Sequence[str] = ("http", "https"), most: int = 2048) -> Check:
    """An address with one of ``schemes``, of at most ``most`` characters."""

    def check(value: Any, problems: Problems) -> Any:
        if not isinstance(value, str) or "://" not in value:
            problems.add("URL_TYPE_INVALID_URL", "Not a well formed URL.")
        elif value.split("://", 1)[0].lower() not in schemes:
            shown = ", ".join(repr(scheme) for scheme in schemes)
            problems.add("URL_TYPE_INVALID_SCHEME", f"Scheme must be one of ({shown}).")
        elif len(value) > most:
            problems.add("BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        return value

    return check


def list_of(inner: Check, high: int | None = None, low: int = 0) -> Check:
    """A list with ``low`` to ``high`` items."""

    def check(value: Any, problems: Problems) -> Any:
        if not isinstance(value, list):
            problems.add("LIST_TYPE_CONVERT")
            return []
        if high is not None and low and not low <= len(value) <= high:
            problems.add("BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        elif high is not None and len(value) > high:
            problems.add("BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
        elif len(value) < low:
            problems.add("BASE_TYPE_MIN_LENGTH", f"Must be {low} or more in length.")
        return [inner(item, problems.at(index)) for index, item in enumerate(value)]

    return check


def obj(fields: Mapping[str, Field]) -> Check:
    """An object. Unknown keys are left out, as Discord does; a null where none may be counts as absent."""

    def check(value: Any, problems: Problems) -> Any:
        if not isinstance(value, dict):
            problems.add("DICT_TYPE_CONVERT")
            return {}
        cleaned: dict[str, Any] = {}
        for key, field in fields.items():
            if value.get(key) is None:
                if key in value and field.nullable:
                    cleaned[key] = None
                elif field.required:
                    problems.at(key).add("BASE_TYPE_REQUIRED")
                continue
            cleaned[key] = field.check(value[key], problems.at(key))
        return cleaned

    return check


def empty_message() -> ApiError:
    """50006, for a message with nothing in it."""
    return ApiError(400, 50006, "Cannot send an empty message")
