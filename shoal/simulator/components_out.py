"""Stored components as Discord sends them back: numbered, defaults filled in, media with addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shoal.simulator.model import Json

__all__ = ["finish_components", "resolve_media"]

_DEFAULTS: dict[int, Json] = {
    **{kind: {"min_values": 1, "max_values": 1} for kind in (3, 5, 6, 7, 8)},
    11: {"description": None, "spoiler": False},
    13: {"spoiler": False},
    14: {"divider": True, "spacing": 1},
    17: {"accent_color": None, "spoiler": False},
}


def _below(part: Json) -> list[Json]:
    accessory = [part["accessory"]] if "accessory" in part else []
    return [*part.get("components", []), *accessory]


def finish_components(components: list[Json]) -> list[Json]:
    """Fill in defaults, and give each part without an id (or with 0) the next free one in reading order."""
    used: set[int] = set()
    order: list[Json] = []

    def walk(parts: Sequence[Json]) -> None:
        for part in parts:
            order.append(part)
            walk(_below(part))

    walk(components)
    used = {part["id"] for part in order if part.get("id")}
    fresh = (number for number in range(1, 10_000) if number not in used)
    for part in order:
        if not part.get("id"):
            part["id"] = next(fresh)
        for key, value in _DEFAULTS.get(part["type"], {}).items():
            part.setdefault(key, value)
        for item in part.get("items", ()):
            item.setdefault("description", None)
            item.setdefault("spoiler", False)
    return components


def resolve_media(components: Sequence[Json], files: Mapping[str, Json]) -> list[Json]:
    """A copy with ``attachment://name`` replaced by addresses; ``files`` are attachment payloads by name."""
    return [_resolved(part, files) for part in components]


def _resolved(part: Json, files: Mapping[str, Json]) -> Json:
    copy = dict(part)
    if "components" in part:
        copy["components"] = resolve_media(part["components"], files)
    if "accessory" in part:
        copy["accessory"] = _resolved(part["accessory"], files)
    if "media" in part:
        copy["media"] = _media(part["media"], files)
    if "items" in part:
        copy["items"] = [{**item, "media": _media(item["media"], files)} for item in part["items"]]
    if part["type"] == 13:
        copy["file"] = _media(part["file"], files)
        stored = files.get(part["file"]["url"].removeprefix("attachment://"), {})
        copy |= {"name": stored.get("filename", ""), "size": stored.get("size", 0)}
    return copy


def _media(media: Json, files: Mapping[str, Json]) -> Json:
    stored = files.get(media["url"].removeprefix("attachment://"))
    if stored is None:
        return {"id": "0", "url": media["url"], "proxy_url": media["url"], "loading_state": 0, "flags": 0}
    return {
        "id": stored["id"],
        "url": stored["url"],
        "proxy_url": stored["proxy_url"],
        "content_type": stored["content_type"],
        "attachment_id": stored["id"],
        "loading_state": 2,
        "flags": 0,
    }
