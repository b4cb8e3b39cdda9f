"""Controls that answer nobody any more are shown so: disabled, which Discord draws grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.components.custom_ids import parse_control

__all__ = ["greyed"]

INTERACTIVE = frozenset({2, 3, 5, 6, 7, 8})
BUTTON = 2
LINK_STYLES = frozenset({5, 6})

Json = dict[str, Any]


def greyed(component: Mapping[str, Any], lasting: frozenset[str] = frozenset()) -> Json:
    """A component with the controls in it disabled; links stay, and the component ids in ``lasting``."""
    made = dict(component)
    if _ends(made, lasting):
        made["disabled"] = True
    inner = made.get("components")
    if isinstance(inner, list):
        made["components"] = [greyed(one, lasting) for one in inner if isinstance(one, dict)]
    if isinstance(made.get("accessory"), dict):
        made["accessory"] = greyed(made["accessory"], lasting)
    return made


def _ends(component: Json, lasting: frozenset[str]) -> bool:
    kind, custom_id = component.get("type"), component.get("custom_id")
    if kind not in INTERACTIVE or (kind == BUTTON and component.get("style") in LINK_STYLES):
        return False
    control = parse_control(custom_id) if isinstance(custom_id, str) else None
    return control is None or control.component not in lasting
