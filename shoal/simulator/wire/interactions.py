"""Bodies of interaction answers: the callback's envelope, modals, completions."""

from __future__ import annotations

from typing import Any

from shoal.simulator.errors import invalid_form
from shoal.simulator.model import Json
from shoal.simulator.wire.forms import Check, Field, Problems, anything, boolean, integer, list_of, obj, text

__all__ = ["check_callback"]

_OPTION = obj(
    {
        "label": Field(text(1, 100), required=True),
        "value": Field(text(1, 100), required=True),
        "description": Field(text(0, 100)),
        "emoji": Field(anything),
        "default": Field(boolean),
    }
)
_INPUT_COMMON = {
    "type": Field(integer(), required=True),
    "id": Field(integer(0, 2**31 - 1)),
    "custom_id": Field(text(1, 100), required=True),
    "required": Field(boolean),
}
_SELECT = {
    **_INPUT_COMMON,
    "placeholder": Field(text(0, 150)),
    "min_values": Field(integer(0, 25)),
    "max_values": Field(integer(1, 25)),
}
_INPUTS: dict[int, Check] = {
    3: obj({**_SELECT, "options": Field(list_of(_OPTION, 25, 1), required=True)}),
    4: obj(
        {
            **_INPUT_COMMON,
            "style": Field(integer(choices=(1, 2)), required=True),
            "label": Field(text(1, 45)),
            "min_length": Field(integer(0, 4000)),
            "max_length": Field(integer(1, 4000)),
            "value": Field(text(0, 4000)),
            "placeholder": Field(text(0, 100)),
        }
    ),
    **dict.fromkeys((5, 6, 7), obj({**_SELECT, "default_values": Field(list_of(anything, 25))})),
    8: obj({**_SELECT, "default_values": Field(list_of(anything, 25)),
            "channel_types": Field(list_of(integer()))}),
    19: obj({**_INPUT_COMMON, "min_values": Field(integer(0, 10)), "max_values": Field(integer(1, 10)),
             "file_types": Field(list_of(text(1, 20), 10))}),
    21: obj({**_INPUT_COMMON, "options": Field(list_of(_OPTION, 10, 2), required=True)}),
    22: obj({**_INPUT_COMMON, "options": Field(list_of(_OPTION, 10, 1), required=True),
             "min_values": Field(integer(0, 10)), "max_values": Field(integer(1, 10))}),
    23: obj({**_INPUT_COMMON, "default": Field(boolean)}),
}  # fmt: skip
_DATA = obj(
    {
        "custom_id": Field(text(1, 100), required=True),
        "title": Field(text(1, 45), required=True),
        "components": Field(list_of(anything, 5, 1), required=True),
    }
)
_CHOICES = obj(
    {
        "choices": Field(
            list_of(
                obj({"name": Field(text(1, 100), required=True), "value": Field(anything, required=True)}), 25
            ),
            required=True,
        )
    }
)
_ENVELOPE = obj(
    {"type": Field(integer(choices=(1, 4, 5, 6, 7, 8, 9, 12)), required=True), "data": Field(anything)}
)


def check_callback(body: Any) -> Json:
    """``{type, data}``; the data of messages is checked where they are made.

    Raises:
        ApiError: 50035.
    """
    problems = Problems()
    envelope: Json = _ENVELOPE(body, problems)
    data = envelope.get("data")
    if data is not None and not isinstance(data, dict):
        problems.at("data").add("DICT_TYPE_CONVERT")
    kind = envelope.get("type")
    envelope["data"] = data if isinstance(data, dict) else {}
    if kind == 8:
        envelope["data"] = _CHOICES(envelope["data"], problems.at("data"))
    elif kind == 9:
        envelope["data"] = _modal(envelope["data"], problems.at("data"))
    tree = problems.tree()
    if tree:
        raise invalid_form(tree)
    return envelope


def _modal(data: Json, problems: Problems) -> Json:
    cleaned: Json = _DATA(data, problems)
    seen: set[str] = set()
    below = problems.at("components")
    parts = [_part(part, below.at(i), seen) for i, part in enumerate(cleaned.get("components") or [])]
    for number, part in enumerate(parts, 1):
        part.setdefault("id", number)
    return {**cleaned, "components": parts}


def _part(part: Any, problems: Problems, seen: set[str]) -> Json:
    """A top-level part: Label (18), Text Display (10), or the old row with one text input."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == 10:
        return {"type": 10, "content": text(1, 4000)(part.get("content"), problems.at("content"))}
    if kind == 1:
        inputs = part.get("components")
        if not isinstance(inputs, list) or len(inputs) != 1:
            problems.at("components").add("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 1 in length.")
            return {"type": 1, "components": []}
        place = problems.at("components", 0)
        child = _input(inputs[0], place, seen, frozenset({4}))
        if "label" not in child:
            place.at("label").add("BASE_TYPE_REQUIRED")
        return {"type": 1, "components": [child]}
    if kind == 18:
        cleaned: Json = obj({"label": Field(text(1, 45), required=True), "description": Field(text(0, 100))})(
            part, problems
        )
        child = _input(part.get("component"), problems.at("component"), seen, frozenset(_INPUTS))
        if "label" in child:
            problems.at("component", "label").add("BASE_TYPE_BAD_FIELD", "An input in a Label has no label")
        return {"type": 18, **cleaned, "component": child}
    problems.at("type").add("UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1, 10, 18).')
    return {"type": 10, "content": ""}


def _input(part: Any, problems: Problems, seen: set[str], allowed: frozenset[int]) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in allowed:
        shown = ", ".join(str(k) for k in sorted(allowed))
        problems.at("type").add("UNION_TYPE_CHOICES", f'Value of field "type" must be one of ({shown}).')
        return {"type": 4, "custom_id": ""}
    cleaned: Json = _INPUTS[kind](part, problems)
    if "disabled" in part:
        problems.at("disabled").add("BASE_TYPE_BAD_FIELD", "disabled is not allowed in a modal")
    if cleaned.get("custom_id") in seen:
        problems.at("custom_id").add("COMPONENT_CUSTOM_ID_DUPLICATED")
    seen.add(str(cleaned.get("custom_id")))
    return cleaned
