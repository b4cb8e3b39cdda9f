"""Looking at the schema itself: which keys exist at a path, what is secret, where a key belongs."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from config.places import KeyPath
from config.schema.base import Section
from config.schema.root import Root

__all__ = ["is_secret", "known_keys", "models_at", "places_of"]

_SECRET_WORDS = ("token", "apikey", "password", "secret", "authorization", "cookie", "credential")


def _flat(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation, without ``Annotated`` and ``None``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flat(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _flat(part)
    elif annotation is not type(None):
        yield annotation


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _step(annotation: Any, part: str | int) -> list[Any]:
    """Annotations one step down."""
    found: list[Any] = []
    for kind in _flat(annotation):
        origin = get_origin(kind)
        if origin is dict and isinstance(part, str):
            found.append(get_args(kind)[1])
        elif origin is list and isinstance(part, int):
            found.append(get_args(kind)[0])
        elif isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(part, str):
            field = _fields(kind).get(part)
            if field is not None:
                found.append(field)
    return found


def _annotations_at(path: KeyPath) -> list[Any]:
    current: list[Any] = [Root]
    for part in path:
        current = [below for annotation in current for below in _step(annotation, part)]
    return [kind for annotation in current for kind in _flat(annotation)]


def models_at(path: KeyPath) -> list[type[Section]]:
    """Models an object at ``path`` may be; empty for maps, scalars and paths outside the schema."""
    return [kind for kind in _annotations_at(path) if isinstance(kind, type) and issubclass(kind, Section)]


def known_keys(path: KeyPath) -> list[str]:
    """Keys an object at ``path`` may have, as written in the file."""
    return sorted({key for model in models_at(path) for key in (*_fields(model), *model.KEPT)})


def is_secret(path: KeyPath) -> bool:
    """Whether a value at ``path`` must not be shown: by the schema, or by the words in its keys."""
    for end in range(1, len(path) + 1):
        part = path[end - 1]
        if isinstance(part, str):
            word = part.lower().replace("_", "").replace("-", "")
            if word.endswith(_SECRET_WORDS) or word == "headers" or (word == "env" and end > 1):
                return True
        if any(kind is SecretStr for kind in _annotations_at(path[:end])):
            return True
    # where an object belongs, a text is most likely the secret itself
    return len(path) == 3 and path[:2] == ("secrets", "providers")


@cache
def _index() -> dict[str, tuple[str, ...]]:
    """Every key of the schema with the places it belongs to, shortest first."""
    places: dict[str, set[str]] = {}
    seen: set[tuple[type[BaseModel], str]] = set()

    def visit(annotation: Any, place: str, depth: int) -> None:
        for kind in _flat(annotation):
            origin = get_origin(kind)
            if origin is dict:
                visit(get_args(kind)[1], f"{place}.*", depth + 1)
            elif origin is list:
                visit(get_args(kind)[0], f"{place}[]", depth + 1)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                if (kind, place) in seen or depth > 10:
                    continue
                seen.add((kind, place))
                for key, field in _fields(kind).items():
                    below = f"{place}.{key}" if place else key
                    places.setdefault(key, set()).add(below)
                    visit(field, below, depth + 1)

    visit(Root, "", 0)
    return {
        key: tuple(sorted(found, key=lambda place: (place.count("."), place)))
        for key, found in places.items()
    }


def places_of(key: str, near: KeyPath) -> list[str]:
    """Where ``key`` belongs, best guesses first: below ``near``, then in the same section, then elsewhere."""
    home = [str(part) for part in near if isinstance(part, str)]

    def distance(place: str) -> tuple[int, int, str]:
        parts = place.split(".")
        common = 0
        for mine, theirs in zip(home, parts, strict=False):
            if mine != theirs and theirs != "*":
                break
            common += 1
        return (-common, len(parts), place)

    in_account = "accounts" in near
    places = [place for place in _index().get(key, ()) if in_account or ".accounts.*." not in place]
    return sorted(places, key=distance)
