"""What all parts of the schema share: strict models with camelCase keys, and small types.

A key is written in the file as in the manuals (``requireMention``) and read in Python as
``require_mention``. Models are strict: a string is no number, ``1`` is no boolean, and a
key that does not exist is an error — except where a model says ``extra="allow"``.

``None`` means "not written". Where a default depends on other places (account, channel,
``messages``, …) the field is ``None`` and the resolved value is computed beside it, so that
"written as empty" and "not written" stay different everywhere.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

__all__ = [
    "SAFE_INTEGER",
    "Frozen",
    "HexColor",
    "Id",
    "NonNegative",
    "Open",
    "Percent",
    "Positive",
    "Section",
    "Secret",
    "Snowflake",
    "Text",
]

SAFE_INTEGER = 2**53 - 1
"""Largest integer that survives JavaScript; Discord's ids are larger."""


class Section(BaseModel):
    """A served section: strict, closed, immutable."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
        hide_input_in_errors=True,
    )

    def written(self, name: str) -> bool:
        """Whether the file holds this key (``name`` is the Python name), be it ``null`` or empty."""
        return name in self.model_fields_set


class Open(Section):
    """A section that keeps keys it does not know: other channels, providers, plugins."""

    model_config = ConfigDict(extra="allow")


Frozen = Section


def _id_text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > SAFE_INTEGER:
            raise PydanticCustomError(
                "unquoted_id", "this id is too long for a number; put it in quotes", {"quoted": str(value)}
            )
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _digits(value: str) -> str:
    if not re.fullmatch(r"\d{1,20}", value):
        raise PydanticCustomError("snowflake", "a Discord id is written with digits, in quotes", {})
    return value


def _color(value: str) -> str:
    text = value.strip()
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise PydanticCustomError("hex_color", "a colour is six hex digits, like '#5865F2'", {})
    return "#" + text.lstrip("#").upper()


Id = Annotated[str, BeforeValidator(_id_text)]
"""An id, name or tag in a list: text, or a number that is small enough to be exact."""

Snowflake = Annotated[str, BeforeValidator(_id_text), AfterValidator(_digits)]
"""A Discord id and nothing else."""

HexColor = Annotated[str, AfterValidator(_color)]
Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=1)]
Secret = SecretStr
