"""Old shapes of the config file, rewritten in its text (``shoal doctor --fix``, ``spec/inbound.md`` 1.10).

Only what says the same in other words: moved and renamed keys, and ids that stand there as numbers.
The proof is made each time: the new text must mean exactly what the old one means, else nothing
is offered. So a repair can neither widen nor narrow access (decision 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from config.edit import append_item, quote_number, raw_at, remove_key, rename_key, render, set_raw
from config.json5 import Array, Scalar, parse, to_python, walk
from config.legacy import Modernised, modernise
from config.places import KeyPath, show_path
from config.schema.base import SAFE_INTEGER

__all__ = ["Repair", "repair_text"]

_ID_LISTS = frozenset({"allowFrom", "users", "roles", "groupChannels", "approvers", "ownerAllowFrom"})


@dataclass(frozen=True, slots=True)
class Repair:
    """What would be written.

    Attributes:
        text: the new text; the old one where nothing is to be done.
        changes: a line for each change.
        refused: why old shapes stay, or empty.
    """

    text: str
    changes: tuple[str, ...] = ()
    refused: str = ""


def repair_text(text: str) -> Repair:
    """Rewrite the old shapes of a text.

    Raises:
        Json5Error: the text is no JSON5.
    """
    if not isinstance(to_python(parse(text)), dict):
        return Repair(text, refused="the file holds no object")
    new, changes = text, []
    try:
        for _ in range(1000):
            step = _next(new)
            if step is None:
                break
            new, said = step
            changes += said
        new, said = _numbers(new)
        changes += said
    except ValueError as error:
        return Repair(text, refused=str(error))
    if _meaning(new) != _meaning(text):
        return Repair(text, refused="the rewritten file would not mean the same")
    return Repair(new, tuple(changes))


def _meaning(text: str) -> Any:
    """What a text says, in its present form, ids as text, without a ``dm`` that says nothing."""
    data = _ids_as_text(modernise(to_python(parse(text))).data, ())
    for path in _empty_dms(data):
        del _at(data, path[:-1])["dm"]
    return data


def _empty_dms(data: Any) -> list[KeyPath]:
    """Every ``dm: {}`` that may go. In an account it hides the channel's ``dm``, and stays beside one."""
    channel: KeyPath = ("channels", "discord")
    try:
        discord = _at(data, channel)
        accounts = discord.get("accounts") or {}
        below = [] if discord.get("dm") else [(*channel, "accounts", name) for name in accounts]
        places = [channel, *below]
        return [(*place, "dm") for place in places if _at(data, place).get("dm") == {}]
    except (AttributeError, KeyError, TypeError):
        return []  # a file of another shape has none


def _ids_as_text(value: Any, path: KeyPath) -> Any:
    if isinstance(value, dict):
        return {key: _ids_as_text(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        ids = bool(path) and path[-1] in _ID_LISTS
        return [
            str(item) if ids and isinstance(item, int) else _ids_as_text(item, (*path, index))
            for index, item in enumerate(value)
        ]
    return value


def _next(text: str) -> tuple[str, list[str]] | None:
    """One old shape rewritten, and what was done; None where none is left that can be."""
    modern = modernise(to_python(parse(text)))
    for old, new in modern.renamed.items():
        if raw_at(text, old) is not None:
            after = _without_empty(_moved(text, old, new, modern), old[:-1])
            return after, [f"{show_path(old)} → {show_path(new)}"]
    for old in modern.dropped:
        if raw_at(text, old) is not None:
            after = _without_empty(remove_key(text, old), old[:-1])
            return after, [f"{show_path(old)}: removed; the present form is written too"]
    return None


def _moved(text: str, old: KeyPath, new: KeyPath, modern: Modernised) -> str:
    value = _at(modern.data, new)
    raw = raw_at(text, old) or ""
    if to_python(parse(raw)) != value:
        raw = render(value)
    if new[: len(old)] == old:  # streaming: "off" → streaming: { mode: "off" }
        return set_raw(text, old, render(_at(modern.data, old)))
    if len(new) > 2 and new[0] == "bindings" and isinstance(new[1], int):
        return append_item(remove_key(text, old), ("bindings",), render(_at(modern.data, new[:2])))
    if raw_at(text, new) is not None:  # the other of two keys that became one
        return remove_key(text, old)
    if old[:-1] == new[:-1] and isinstance(new[-1], str):
        renamed = rename_key(text, old, new[-1])
        return renamed if raw_at(renamed, new) == raw else set_raw(renamed, new, raw)
    return set_raw(remove_key(text, old), new, raw)


def _without_empty(text: str, path: KeyPath) -> str:
    """Take ``dm`` out if it is empty now and says nothing."""
    return remove_key(text, path) if path in _empty_dms(to_python(parse(text))) else text


def _at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


def _numbers(text: str) -> tuple[str, list[str]]:
    """Ids that stand as numbers get quotes; a list with one that lost digits is left as it is."""
    changes = []
    for path, node in list(walk(parse(text))):
        if not path or path[-1] not in _ID_LISTS or not isinstance(node, Array):
            continue
        numbers = [
            (index, item.value)
            for index, item in enumerate(node.items)
            if isinstance(item, Scalar)
            and isinstance(item.value, int | float)
            and not isinstance(item.value, bool)
        ]
        lost = [value for _, value in numbers if not isinstance(value, int) or abs(value) > SAFE_INTEGER]
        if lost or not numbers:
            continue
        for index, _ in numbers:
            text = quote_number(text, (*path, index))
        changes.append(f"{show_path(path)}: ids put in quotes")
    return text, changes
