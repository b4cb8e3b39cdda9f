"""The ids our controls carry, and reading them back (``spec/outbound.md`` 5.3).

    occomp:cid=<component id>              a button or select
    occomp:cid=<id>;mid=<form id>          a button that opens a form
    ocmodal:mid=<form id>                  the form itself

A value that holds ``%`` or ``;`` is escaped, which ``e=1`` in front says. Ids of the system (approvals,
command menus, the model picker) have names of their own, and an agent may use none of them, nor
ours: what it wants to hear of, it asks for by a description (rule R16).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "ControlId",
    "component_id",
    "control_id",
    "group_of",
    "message_group",
    "parse_control",
    "reserved_ids",
]

MAX_CHARS = 100
RESERVED = (
    "occomp:",
    "ocmodal:",
    "execapproval:",
    "cmdarg:",
    "mdlpk:",
    "agent:",
    "agentsel:",
    "ocq:",
    "shoal:",
)

_COMPONENT = re.compile(r"(?:btn|sel|mdl|fld)_([0-9a-f]{20})-\d{1,3}")

Kind = Literal["btn", "sel", "mdl", "fld"]


@dataclass(frozen=True, slots=True)
class ControlId:
    """What a custom id of ours says; ``component`` is empty for a form that is handed in."""

    component: str = ""
    form: str = ""


def message_group(cause: str, step: str) -> str:
    """The name of one message's controls: the same for ever, in every process, and guessed by nobody who
    does not know the cause.
    """
    return hashlib.blake2b(f"{cause}\n{step}".encode(), digest_size=10).hexdigest()


def component_id(kind: Kind, group: str, number: int) -> str:
    """The id of one control of a message."""
    return f"{kind}_{group}-{number}"


def group_of(component: str) -> str | None:
    """The message a component id belongs to, or ``None`` if it is no id of ours."""
    match = _COMPONENT.fullmatch(component)
    return match.group(1) if match else None


def control_id(control: ControlId) -> str:
    """The custom id of a control.

    Raises:
        ValueError: it is longer than Discord allows.
    """
    parts = {name: value for name, value in (("cid", control.component), ("mid", control.form)) if value}
    if any(mark in value for value in parts.values() for mark in "%;"):
        parts = {"e": "1", **{name: _escape(value) for name, value in parts.items()}}
    head = "occomp" if control.component else "ocmodal"
    made = f"{head}:" + ";".join(f"{name}={value}" for name, value in parts.items())
    if len(made) > MAX_CHARS:
        raise ValueError(f"a custom id of {len(made)} characters; at most {MAX_CHARS} are possible")
    return made


def parse_control(custom_id: str) -> ControlId | None:
    """What one of our custom ids says; none for any other."""
    head, colon, rest = custom_id.partition(":")
    if not colon or head not in ("occomp", "ocmodal") or len(custom_id) > MAX_CHARS:
        return None
    fields = dict(part.partition("=")[::2] for part in rest.split(";"))
    if fields.get("e") == "1":
        fields = {name: _unescape(value) for name, value in fields.items()}
    control = ControlId(fields.get("cid", ""), fields.get("mid", ""))
    wanted = control.component if head == "occomp" else control.form
    return control if wanted else None


def reserved_ids(components: Iterable[Any]) -> Iterator[str]:
    """Custom ids in raw components that belong to the system."""
    for component in components:
        if not isinstance(component, Mapping):
            continue
        custom_id = component.get("custom_id")
        if isinstance(custom_id, str) and custom_id.strip().lower().startswith(RESERVED):
            yield custom_id
        for name in ("components", "accessory", "component"):
            inner = component.get(name)
            if isinstance(inner, Mapping):
                yield from reserved_ids([inner])
            elif isinstance(inner, list):
                yield from reserved_ids(inner)


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace(";", "%3B")


def _unescape(value: str) -> str:
    return value.replace("%3B", ";").replace("%25", "%")
