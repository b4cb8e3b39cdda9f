"""What all parts of the schema share: strict models with camelCase keys, and small types.

A key is written in the file as in the manuals (``requireMention``) and read in Python as
``require_mention``. Models are strict: a string is no number, ``1`` is no boolean, and a
key that does not exist is an error.

Four kinds of keys:

* *served*: a field of the model;
* *kept*: known from OpenClaw but without effect here, listed in ``KEPT``. They are allowed,
  never refused, and reported once;
* *later*: a field, checked, of a part that is not built yet, listed in ``LATER``; reported when written;
* *unknown*: an error with the nearest known key.

``None`` means "not written". Where a default depends on other places (account, channel,
``messages``, …) it is filled in when accounts are resolved, so that "written as empty" and
"not written" stay different everywhere.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from shoal.base.durations import parse_duration_ms

__all__ = [
    "SAFE_INTEGER",
    "Duration",
    "HexColor",
    "Id",
    "NonNegative",
    "Number",
    "Open",
    "Positive",
    "Ratio",
    "Section",
    "Snowflake",
    "Text",
    "fault",
    "names",
]

SAFE_INTEGER = 2**53 - 1
"""Largest integer that survives JavaScript; Discord's ids are larger."""


def names(text: str) -> frozenset[str]:
    """Words of a text as a set; for long lists of keys."""
    return frozenset(text.split())


def fault(
    kind: str, message: str, *, allowed: str = "", hint: str = "", keys: str = ""
) -> PydanticCustomError:
    """A validation error with a sentence for people; becomes one ``ConfigIssue``.

    Args:
        keys: where an object is wrong as a whole, the keys (as written) whose values do not fit together.
    """
    return PydanticCustomError(
        kind, "{sentence}", {"sentence": message, "allowed": allowed, "hint": hint, "keys": keys}
    )


class Section(BaseModel):
    """A served section: strict, closed, immutable."""

    KEPT: ClassVar[frozenset[str]] = frozenset()
    """Keys (as written in the file) that load without effect."""
    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields (as written in the file) of parts that are not built yet: checked as the others are, and
    reported when somebody writes one. Whoever makes a key work takes it out here."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        defer_build=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_kept(cls, value: Any) -> Any:
        if cls.KEPT and isinstance(value, dict):
            return {key: item for key, item in value.items() if key not in cls.KEPT}
        return value

    def written(self, name: str) -> bool:
        """Whether the file holds this key (``name`` is the Python name), be it empty."""
        return name in self.model_fields_set


class Open(Section):
    """A section that also takes keys it does not know, as provider and plugin settings do."""

    model_config = ConfigDict(extra="allow")


def _id_text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > SAFE_INTEGER:
            raise fault(
                "unquoted_id", "this id is too long to be a number", hint=f'put it in quotes: "{value}"'
            )
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _digits(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise fault(
            "snowflake", "this is no Discord id", allowed='digits in quotes, like "123456789012345678"'
        )
    return value


def _color(value: str) -> str:
    text = value.strip()
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise fault("hex_color", "this is no colour", allowed='six hex digits, like "#5865F2"')
    return "#" + text.lstrip("#").upper()


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        try:
            parse_duration_ms(value)
        except ValueError:
            raise fault("duration", "this is no duration", allowed='like "30m", "1h30m" or "500ms"') from None
    return value


Id = Annotated[str, BeforeValidator(_id_text, json_schema_input_type=str | int)]
"""An id, name or tag in a list: text, or a number that is small enough to be exact."""

Snowflake = Annotated[
    str, BeforeValidator(_id_text, json_schema_input_type=str | int), AfterValidator(_digits)
]
"""A Discord id and nothing else."""

HexColor = Annotated[str, AfterValidator(_color)]
Duration = Annotated[str, AfterValidator(_duration)]
"""Text like ``30m``; :func:`shoal.base.durations.parse_duration_ms` reads it."""

Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
