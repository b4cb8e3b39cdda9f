"""The JSON schema of the config file, for ``shoal config schema`` and for editors.

It is made from the models, so it cannot lag behind them. Keys that are kept without effect
are in it, marked ``x-served: false``, fields that are to work later ``x-later: true``; old
shapes are not, so that an editor shows the present form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from config.schema.base import Section
from config.schema.root import UNSERVED, Root

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """A new copy of the schema (JSON Schema 2020-12)."""
    result = Root.model_json_schema(by_alias=True, mode="validation")
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    result["title"] = "Shoal configuration"
    definitions = result.get("$defs", {})
    for model in _models(Section):
        target = definitions.get(model.__name__)
        if isinstance(target, dict) and model.KEPT:
            _add_kept(target, model.KEPT)
        for key in model.LATER if isinstance(target, dict) else ():
            target["properties"][key]["x-later"] = True
    for key in Root.LATER:
        result["properties"][key]["x-later"] = True
    _add_kept(result, UNSERVED)
    _any_of(result)
    return result


def _any_of(value: Any) -> None:
    """Our own discriminators choose one branch; JSON Schema cannot, so more than one may fit."""
    if isinstance(value, dict):
        if "oneOf" in value:
            value["anyOf"] = value.pop("oneOf")
        for item in value.values():
            _any_of(item)
    elif isinstance(value, list):
        for item in value:
            _any_of(item)


def _add_kept(target: dict[str, Any], keys: frozenset[str]) -> None:
    properties = target.setdefault("properties", {})
    for key in sorted(keys):
        properties.setdefault(key, {"description": "Kept as it is; has no effect here.", "x-served": False})


def _models(base: type[Section]) -> Iterator[type[Section]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)
