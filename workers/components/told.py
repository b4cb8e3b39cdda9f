"""What an agent is told of a click: a text as if the person had written it (``spec/outbound.md`` 5.5).

Clicked "Approve".
Selected Option A, Option B from "Pick an option".
Form "Details" submitted.
- Requester: Ann

``callbackData`` stands for a button's click as if it had been typed (and may be a command) unless its kind is
``callback``; everywhere else the event is told, with the data in a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.components.entries import ControlEntry, FieldEntry, FormEntry
from workers.components.interaction import Interaction

__all__ = ["speaks", "told_of_control", "told_of_form"]

VALUE_CHARS = 4_000


def speaks(entry: ControlEntry | FormEntry) -> bool:
    """Whether its callback text is what the person says by using it; then it may be a command."""
    if isinstance(entry, FormEntry) or not entry.callback:
        return False
    return entry.callback_kind == "command" or (entry.kind == "button" and not entry.callback_kind)


def told_of_control(entry: ControlEntry, interaction: Interaction) -> str:
    """The text of a button or select."""
    if speaks(entry):
        return entry.callback
    return _with_data(_happened(entry, interaction), entry.callback)


def _with_data(text: str, callback: str) -> str:
    return f"{text}\n[callback: {callback}]" if callback else text


def _happened(entry: ControlEntry, interaction: Interaction) -> str:
    if entry.kind != "select":
        return f'Clicked "{entry.label}".'
    if not interaction.values:
        return f'Updated "{entry.label}".'
    if entry.select_type in ("", "string"):
        chosen = [entry.options.get(value, value) for value in interaction.values]
    else:
        chosen = [_named(entry.select_type, value, interaction) for value in interaction.values]
    return f'Selected {", ".join(chosen)} from "{entry.label}".'


def told_of_form(entry: FormEntry, interaction: Interaction) -> str:
    """The text of a form: one line for each field that was answered."""
    lines = []
    for field in entry.fields:
        values = [value for value in interaction.fields.get(field.id, ()) if value.strip()]
        if values:
            lines.append(f"- {field.label}: {', '.join(_shown(field, values, interaction))}")
    told = "\n".join([f'Form "{entry.title}" submitted.', *(lines or ["- (no values)"])])
    return _with_data(told, entry.callback)


def _shown(field: FieldEntry, values: Sequence[str], interaction: Interaction) -> list[str]:
    if field.type == "role-select":
        return [_named("role", value, interaction) for value in values]
    if field.type == "user-select":
        return [_named("user", value, interaction) for value in values]
    return [field.options.get(value, value)[:VALUE_CHARS] for value in values]


def _named(kind: str, value: str, interaction: Interaction) -> str:
    """``user:<id> (name)``: the id for the agent's tools, the name for its words."""
    for place, word in (("users", "user"), ("roles", "role"), ("channels", "channel")):
        found = interaction.resolved.get(place, {}).get(value)
        if found is not None:
            shown = found.get("global_name") or found.get("username") or found.get("name")
            prefix = "mentionable" if kind == "mentionable" else word
            return f"{prefix}:{value} ({shown})" if shown else f"{prefix}:{value}"
    return f"{kind}:{value}"
