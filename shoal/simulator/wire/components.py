"""Rules of message components: legacy rows and components v2.

Legacy messages: up to five action rows of one to five buttons, or of one select. With the V2 flag: up to
forty
components in all, nested ones counted. ``custom_id`` and ``id`` are unique in a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shoal.simulator.model import Json
from shoal.simulator.wire.forms import (
    Check,
    Field,
    Problems,
    boolean,
    integer,
    list_of,
    obj,
    snowflake,
    text,
    url,
)

__all__ = ["check_components"]

BUTTON, STRING_SELECT, TEXT_INPUT = 2, 3, 4
SELECTS = frozenset({3, 5, 6, 7, 8})
CONTAINER_CHILDREN = frozenset({1, 9, 10, 12, 13, 14})
TOP_LEVEL_V2 = frozenset({1, 9, 10, 12, 13, 14, 17})
MAX_V2, MAX_TEXT = 40, 4000

_EMOJI = obj({"id": Field(snowflake, nullable=True), "name": Field(text(0, 64), nullable=True),
              "animated": Field(boolean)})  # fmt: skip
_ID = Field(integer(0, 2**31 - 1))
_MEDIA = obj({"url": Field(url(("http", "https", "attachment")), required=True)})
_OPTION = obj(
    {
        "label": Field(text(1, 100), required=True),
        "value": Field(text(1, 100), required=True),
        "description": Field(text(0, 100)),
        "emoji": Field(_EMOJI),
        "default": Field(boolean),
    }
)
_SELECT_COMMON = {
    "type": Field(integer(), required=True),
    "id": _ID,
    "custom_id": Field(text(1, 100), required=True),
    "placeholder": Field(text(0, 150)),
    "min_values": Field(integer(0, 25)),
    "max_values": Field(integer(1, 25)),
    "disabled": Field(boolean),
}
_DEFAULTS = Field(
    list_of(
        obj(
            {
                "id": Field(snowflake, required=True),
                "type": Field(text(choices=("user", "role", "channel")), required=True),
            }
        ),
        25,
    )
)
_SHAPES: dict[int, Check] = {
    2: obj(
        {
            "type": Field(integer(), required=True),
            "id": _ID,
            "style": Field(integer(choices=(1, 2, 3, 4, 5, 6)), required=True),
            "label": Field(text(0, 80)),
            "emoji": Field(_EMOJI),
            "custom_id": Field(text(1, 100)),
            "url": Field(url(("http", "https", "discord"), 512)),
            "sku_id": Field(snowflake),
            "disabled": Field(boolean),
        }
    ),
    3: obj({**_SELECT_COMMON, "options": Field(list_of(_OPTION, 25, 1), required=True)}),
    **dict.fromkeys((5, 6, 7), obj({**_SELECT_COMMON, "default_values": _DEFAULTS})),
    8: obj({**_SELECT_COMMON, "default_values": _DEFAULTS, "channel_types": Field(list_of(integer()))}),
    10: obj({"type": Field(integer()), "id": _ID, "content": Field(text(1, 4000), required=True)}),
    11: obj(
        {
            "type": Field(integer()),
            "id": _ID,
            "media": Field(_MEDIA, required=True),
            "description": Field(text(0, 1024), nullable=True),
            "spoiler": Field(boolean),
        }
    ),
    12: obj(
        {
            "type": Field(integer()),
            "id": _ID,
            "items": Field(
                list_of(
                    obj(
                        {
                            "media": Field(_MEDIA, required=True),
                            "description": Field(text(0, 1024), nullable=True),
                            "spoiler": Field(boolean),
                        }
                    ),
                    10,
                    1,
                ),
                required=True,
            ),
        }
    ),
    13: obj(
        {
            "type": Field(integer()),
            "id": _ID,
            "file": Field(obj({"url": Field(url(("attachment",)), required=True)}), required=True),
            "spoiler": Field(boolean),
        }
    ),
    14: obj({"type": Field(integer()), "id": _ID, "divider": Field(boolean),
             "spacing": Field(integer(choices=(1, 2)))}),
}  # fmt: skip


@dataclass(slots=True)
class _Seen:
    """What must be unique or counted in one message."""

    v2: bool
    custom_ids: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    count: int = 0
    characters: int = 0


def check_components(value: Any, problems: Problems, *, v2: bool) -> list[Json]:
    """The cleaned components of a message."""
    if not isinstance(value, list):
        problems.add("LIST_TYPE_CONVERT")
        return []
    seen = _Seen(v2)
    if not v2 and len(value) > 5:
        problems.add("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    allowed = TOP_LEVEL_V2 if v2 else frozenset({1})
    cleaned = [_component(item, problems.at(index), allowed, seen) for index, item in enumerate(value)]
    if v2 and seen.count > MAX_V2:
        problems.add(
            "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", f"A message can have at most {MAX_V2} components."
        )
    if seen.characters > MAX_TEXT:
        problems.add(
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
            f"The displayable text is longer than {MAX_TEXT} characters.",
        )
    return cleaned


def _component(value: Any, problems: Problems, allowed: frozenset[int], seen: _Seen) -> Json:
    if not isinstance(value, dict):
        problems.add("DICT_TYPE_CONVERT")
        return {}
    kind = value.get("type")
    if kind is None:
        problems.at("type").add("BASE_TYPE_REQUIRED")
        return {}
    if kind not in allowed or isinstance(kind, bool):
        shown = ", ".join(str(k) for k in sorted(allowed))
        problems.at("type").add("UNION_TYPE_CHOICES", f'Value of field "type" must be one of ({shown}).')
        return {}
    seen.count += 1
    if kind == 1:
        cleaned = _row(value, problems, seen)
    elif kind == 9:
        cleaned = _section(value, problems, seen)
    elif kind == 17:
        cleaned = _container(value, problems, seen)
    else:
        cleaned = _SHAPES[kind](value, problems)
        _leaf(cleaned, problems, seen)
    _unique(cleaned, problems, seen)
    return cleaned


def _unique(cleaned: Json, problems: Problems, seen: _Seen) -> None:
    custom_id, number = cleaned.get("custom_id"), cleaned.get("id")
    if custom_id is not None:
        if custom_id in seen.custom_ids:
            problems.at("custom_id").add("COMPONENT_CUSTOM_ID_DUPLICATED")
        seen.custom_ids.add(custom_id)
    if number:
        if number in seen.ids:
            problems.at("id").add("COMPONENT_ID_DUPLICATED", "Component id cannot be duplicated")
        seen.ids.add(number)


def _row(value: Json, problems: Problems, seen: _Seen) -> Json:
    children = value.get("components")
    if not isinstance(children, list):
        problems.at("components").add("BASE_TYPE_REQUIRED" if children is None else "LIST_TYPE_CONVERT")
        return {"type": 1, "components": []}
    below = problems.at("components")
    if not 1 <= len(children) <= 5:
        below.add("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    kinds = [child.get("type") for child in children if isinstance(child, dict)]
    if any(kind in SELECTS for kind in kinds) and len(children) > 1:
        below.at(1).add("COMPONENT_LAYOUT_WIDTH_EXCEEDED")
    allowed = SELECTS | {BUTTON}
    row: Json = {
        "type": 1,
        "components": [_component(child, below.at(i), allowed, seen) for i, child in enumerate(children)],
    }
    return _with_id(row, value, problems)


def _section(value: Json, problems: Problems, seen: _Seen) -> Json:
    children, accessory = value.get("components"), value.get("accessory")
    below = problems.at("components")
    if not isinstance(children, list) or not 1 <= len(children) <= 3:
        below.add("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 3 in length.")
        children = []
    section: Json = {
        "type": 9,
        "components": [_component(c, below.at(i), frozenset({10}), seen) for i, c in enumerate(children)],
    }
    if accessory is None:
        problems.at("accessory").add("BASE_TYPE_REQUIRED")
    else:
        section["accessory"] = _component(accessory, problems.at("accessory"), frozenset({2, 11}), seen)
    return _with_id(section, value, problems)


def _container(value: Json, problems: Problems, seen: _Seen) -> Json:
    children = value.get("components")
    below = problems.at("components")
    if not isinstance(children, list) or not children:
        below.add("BASE_TYPE_REQUIRED")
        children = []
    box: Json = {
        "type": 17,
        "components": [_component(c, below.at(i), CONTAINER_CHILDREN, seen) for i, c in enumerate(children)],
    }
    if value.get("accent_color") is not None:
        box["accent_color"] = integer(0, 0xFFFFFF)(value["accent_color"], problems.at("accent_color"))
    if value.get("spoiler") is not None:
        box["spoiler"] = boolean(value["spoiler"], problems.at("spoiler"))
    return _with_id(box, value, problems)


def _with_id(cleaned: Json, value: Json, problems: Problems) -> Json:
    if value.get("id") is not None:
        cleaned["id"] = _ID.check(value["id"], problems.at("id"))
    return cleaned


def _leaf(cleaned: Json, problems: Problems, seen: _Seen) -> None:
    kind = cleaned.get("type")
    if kind == 10:
        seen.characters += len(str(cleaned.get("content", "")))
    elif kind == BUTTON:
        _button(cleaned, problems)
    elif kind in SELECTS:
        low, high = cleaned.get("min_values", 1), cleaned.get("max_values", 1)
        if low > high:
            problems.at("min_values").add("BASE_TYPE_CHOICES", "min_values must not exceed max_values.")
        options = cleaned.get("options")
        if options is not None:
            values = [option.get("value") for option in options]
            for index, option in enumerate(values):
                if option in values[:index]:
                    problems.at("options", index, "value").add(
                        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                        "The specified option value is already used",
                    )


def _button(button: Json, problems: Problems) -> None:
    style = button.get("style")
    has = {key for key in ("custom_id", "url", "sku_id", "label", "emoji") if button.get(key) is not None}
    wanted = {5: "url", 6: "sku_id"}.get(style or 0, "custom_id")
    if wanted not in has:
        problems.at(wanted).add("BASE_TYPE_REQUIRED")
    for other in {"custom_id", "url", "sku_id"} - {wanted}:
        if other in has:
            problems.at(other).add(
                "BUTTON_COMPONENT_FIELD_NOT_ALLOWED", f"A button of this style cannot have {other}"
            )
    if style == 6:
        for other in sorted({"label", "emoji"} & has):
            problems.at(other).add(
                "BUTTON_COMPONENT_FIELD_NOT_ALLOWED", f"A premium button cannot have {other}"
            )
    elif not has & {"label", "emoji"}:
        problems.at("label").add("BUTTON_COMPONENT_INVALID", "A button must have a label or an emoji")
