"""JSON that somebody else wrote: a model, a service, a file. It may be wrong in any way."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["MAX_DEPTH", "read_json"]

MAX_DEPTH = 64
"""Lists and objects inside each other. What is deeper nobody means, and it cannot be written again."""


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text; strict, so that what is read can be written again.

    Raises:
        ValueError: it is none, or nested deeper than :data:`MAX_DEPTH`.
    """
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for one in level if isinstance(one, dict | list) for inner in _inside(one)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
