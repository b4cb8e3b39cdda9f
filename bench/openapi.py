"""Discord's own OpenAPI file as the judge of every request Shoal sends. Imports nothing of the product.

A *line* is one ``request`` line of the simulator's log: method, path, query, body, files, status, answer. The
file knows shapes and lengths; the rules it does not know are the simulator's (``docs/simulator.md``), so a
request is also wrong if the simulator refused its body. :data:`GAPS` lists where the file itself is behind.

The file lies beside the repository (``../shared/discord/openapi.json``) or in ``SHOAL_DISCORD_REFERENCE``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import jsonschema_rs

__all__ = ["GAPS", "USER_AGENT", "Judge", "reference", "strange", "the_judge"]

Json = dict[str, Any]

USER_AGENT = "DiscordBot (https://pypi.org/project/shoal/"
"""How a request of Shoal's own is told from those of other clients and of tests."""

REFUSALS = frozenset({30015, 50006, 50016, 50035, 50041, 50109, 50159, 50160, 50161, 220001})
"""Codes with which Discord refuses what a request *is*, not what it asks for."""

GAPS: dict[str, tuple[Json, str]] = {
    "MessageReferenceType": ({"type": "integer", "enum": [0, 1]}, "forwards (1) are not in it; facts 8.5"),
}
"""Where the file is behind Discord: schema → what takes its place, and why."""

_FILE = {
    "type": "object",
    "properties": {
        "id": {"type": ["string", "integer"]},
        "filename": {"type": "string", "minLength": 1, "maxLength": 1024},
        "file_size": {"type": "integer", "minimum": 1},
    },
    "required": ["filename", "file_size"],
}
_UPLOAD = {
    "type": "object",
    "properties": {"files": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": 10}},
    "required": ["files"],
}
LACKING: dict[str, tuple[Json, str]] = {
    "/channels/{channel_id}/attachments": (
        {
            "parameters": [{"name": "channel_id", "in": "path", "schema": {"type": "string"}}],
            "post": {"requestBody": {"required": True, "content": {"application/json": {"schema": _UPLOAD}}}},
        },
        "asking for upload addresses of a channel; facts 16",
    ),
}
"""Calls that the file lacks: path → how they are, and where that is said."""

_BASE = re.compile(r"^/api/v\d+")


def reference(name: str) -> Path | None:
    """A file of the Discord reference data beside the repository, if it is here."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "discord"
    path = Path(os.environ.get("SHOAL_DISCORD_REFERENCE") or beside) / name
    return path if path.exists() else None


@cache
def the_judge() -> Judge | None:
    """The judge of this process; none where the file is missing."""
    path = reference("openapi.json")
    return Judge(json.loads(path.read_bytes())) if path is not None else None


def strange(line: Mapping[str, Any]) -> bool:
    """Whether a request to the API is not judged, because it does not say that it is Shoal's.

    Where nobody but Shoal asks, such a one went around the transport.
    """
    ours = str(line.get("user_agent", "")).startswith(USER_AGENT)
    return not ours and _BASE.match(str(line["path"])) is not None


@dataclass(slots=True)
class _Operation:
    """One method of one path, its checks compiled."""

    name: str
    body: Any = None
    form: bool = False
    body_required: bool = False
    keys: frozenset[str] = frozenset()
    path: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    query_required: frozenset[str] = frozenset()


class Judge:
    """Holds requests against an OpenAPI document. Compiles a check the first time it is needed.

    Attributes:
        paths: the calls of the document, and those it lacks.
    """

    def __init__(self, spec: Json) -> None:
        self._schemas: Json = {**spec["components"]["schemas"]}
        self._schemas.update({name: replacement for name, (replacement, _) in GAPS.items()})
        self.paths: Json = {**spec["paths"], **{path: item for path, (item, _) in LACKING.items()}}
        self._by_length: dict[int, list[tuple[list[str], str]]] = {}
        for path in self.paths:
            words = path.strip("/").split("/")
            self._by_length.setdefault(len(words), []).append((words, path))
        self._made: dict[tuple[str, str], _Operation] = {}

    def problems(self, line: Mapping[str, Any]) -> list[str]:
        """What is wrong with a request of Shoal's; empty for right ones, and for those of others."""
        if strange(line) or not _BASE.match(str(line["path"])):
            return []  # somebody else's; the CDN, PluralKit
        path, method = _BASE.sub("", str(line["path"])), str(line["method"]).lower()
        operation, values = self._find(method, path)
        if operation is None:
            return [f"{line['method']} {path}: Discord's file has no such call"]
        found = [
            *_against(operation.path, values, "path"),
            *_query(operation, str(line.get("query") or "")),
            *self._body(operation, line),
            *_refused(line),
        ]
        return [f"{operation.name}: {problem}" for problem in found]

    # -- finding ---------------------------------------------------------------------------------

    def _find(self, method: str, path: str) -> tuple[_Operation | None, dict[str, str]]:
        words = path.strip("/").split("/")
        best: tuple[tuple[bool, ...], str, dict[str, str]] | None = None
        for names, template in self._by_length.get(len(words), ()):
            if method not in self.paths[template]:
                continue
            pairs = list(zip(names, words, strict=True))
            literal = tuple(not name.startswith("{") for name in names)
            fits = all(name.startswith("{") or name == unquote(word) for name, word in pairs)
            if fits and (best is None or literal > best[0]):
                values = {name[1:-1]: unquote(word) for name, word in pairs if name.startswith("{")}
                best = (literal, template, values)
        if best is None:
            return None, {}
        return self._operation(method, best[1]), best[2]

    def _operation(self, method: str, template: str) -> _Operation:
        key = (method, template)
        if key not in self._made:
            self._made[key] = self._compile(method, template)
        return self._made[key]

    def _compile(self, method: str, template: str) -> _Operation:
        item = self.paths[template]
        raw = item[method]
        made = _Operation(f"{method.upper()} {template}")
        for parameter in [*item.get("parameters", ()), *raw.get("parameters", ())]:
            schema = parameter["schema"]
            if parameter["in"] == "path":
                made.path[parameter["name"]] = self._validator(schema)
            elif parameter["in"] == "query":
                made.query[parameter["name"]] = self._validator(schema)
                if parameter.get("required"):
                    made.query_required |= {parameter["name"]}
        request = raw.get("requestBody")
        if request is not None:
            content = request["content"]
            schema = content.get("application/json", content.get("multipart/form-data"))["schema"]
            made.form = "application/json" not in content
            made.body, made.keys = self._validator(schema), self._keys(schema)
            made.body_required = bool(request.get("required"))
        return made

    def _validator(self, schema: Json) -> Any:
        """A compiled check with just the parts of the file it needs: compiling all of them takes longer."""
        names: set[str] = set()
        self._used(schema, names)
        parts = {name: self._schemas[name] for name in names}
        return jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": parts}})

    def _used(self, part: Any, names: set[str]) -> None:
        if isinstance(part, list):
            for entry in part:
                self._used(entry, names)
        elif isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in names:
                names.add(name)
                self._used(self._schemas[name], names)
            for entry in part.values():
                self._used(entry, names)

    def _flat(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def _keys(self, schema: Json) -> frozenset[str]:
        """Keys the top of a body may have; Discord drops others without a word, so they are mistakes."""
        flat = self._flat(schema)
        keys = set(flat.get("properties", ()))
        for word in ("allOf", "anyOf", "oneOf"):
            for part in flat.get(word, ()):
                keys |= self._keys(part)
        return frozenset(keys)

    # -- checking --------------------------------------------------------------------------------

    def _body(self, operation: _Operation, line: Mapping[str, Any]) -> list[str]:
        body = _parsed(line)
        if body is None:
            needed = operation.body_required and not line.get("body") and not line.get("files")
            return ["the body is missing"] if needed else []
        if operation.body is None:
            return ["a body where none belongs"]
        if operation.form and isinstance(body, dict) and line.get("files"):
            body = {**body, "file": ""}  # the log has it apart
        found = [
            f"{_place(error.instance_path)}: {error.message[:300]}"
            for error in operation.body.iter_errors(body)
        ]
        if isinstance(body, dict) and operation.keys:
            found += [f"{key}: Discord knows no such field" for key in sorted(set(body) - operation.keys)]
        return [*found, *_mentions(operation.name, body)]


def _parsed(line: Mapping[str, Any]) -> Any:
    """The JSON body; none where there was none, or where the log has only a part of it (an early fault)."""
    body = line.get("body")
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


def _against(checks: Mapping[str, Any], values: Mapping[str, str], where: str) -> list[str]:
    return [
        f"{where} {name}={values[name][:60]!r} does not fit"
        for name, check in checks.items()
        if name in values and not check.is_valid(values[name])
    ]


def _query(operation: _Operation, text: str) -> list[str]:
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        given.setdefault(name, []).append(value)
    found = [f"query {name} is missing" for name in operation.query_required - set(given)]
    for name, values in given.items():
        if name not in operation.query:
            found.append(f"query {name}: Discord knows no such parameter")
            continue
        # an array repeats its key; the file says which parameters are arrays
        readings = [values, *_readings(values[0])]
        if not any(operation.query[name].is_valid(reading) for reading in readings):
            found.append(f"query {name}={values!r} does not fit")
    return found


def _readings(value: str) -> list[Any]:
    """What a word of a query may mean: text, a number, a boolean."""
    readings: list[Any] = [value]
    if re.fullmatch(r"-?\d{1,18}", value):
        readings.append(int(value))
    if value.lower() in ("true", "false"):
        readings.append(value.lower() == "true")
    return readings


def _refused(line: Mapping[str, Any]) -> list[str]:
    """The simulator's verdict, where it is its own and no fault's."""
    answer = line.get("answer")
    if "done" in line or not isinstance(answer, dict) or answer.get("code") not in REFUSALS:
        return []
    return [
        f"refused with {answer['code']}: {json.dumps(answer.get('errors') or answer.get('message'))[:400]}"
    ]


def _mentions(name: str, body: Any) -> list[str]:
    """Everything that carries text says whom it pings (design 6): without it Discord pings everyone."""
    for holder in _speakers(name, body):
        if not isinstance(holder.get("allowed_mentions"), dict):
            return ["no allowed_mentions: this text could ping everyone"]
    return []


def _speakers(name: str, body: Any) -> Iterable[Json]:
    """The objects of a body that become messages."""
    if not isinstance(body, dict):
        return
    method, _, path = name.partition(" ")
    if path.endswith("/callback"):
        if body.get("type") in (4, 7):
            yield body.get("data") or {}
    elif path == "/channels/{channel_id}/threads":
        if "message" in body:
            yield body["message"]
    elif (
        (path.endswith("/messages") and method == "POST")
        or (method == "PATCH" and ("/messages/{message_id}" in path or path.endswith("/@original")))
        or (method == "POST" and re.fullmatch(r"/webhooks/\{\w+\}/\{\w+\}", path))
    ):
        yield body


def _place(path: Iterable[str | int]) -> str:
    return (
        "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "(body)"
    )
