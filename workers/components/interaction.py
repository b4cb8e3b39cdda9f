"""A click or a form as Discord sends it (``discord`` interactions of type 3 and 5), read with patience."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workers.sessions.wire import User, as_list, as_map, read_id, read_roles, read_user

__all__ = ["Interaction", "read_interaction"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One interaction.

    Attributes:
        user: who acted; with ``nick`` and ``roles`` where it was in a guild.
        custom_id: of the control, or of the form.
        values: what was chosen in a select.
        fields: of a form: custom id → what was answered, in the order of the form.
        resolved: kind (``users``, ``roles``, …) → id → object, for names.
        message_id, components: the message the control is on, where there is one.
    """

    id: str
    type: int
    token: str = field(repr=False)
    application_id: str
    channel_id: str
    guild_id: str | None
    user: User
    nick: str = ""
    roles: tuple[str, ...] | None = None
    custom_id: str = ""
    values: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resolved: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    message_id: str = ""
    components: tuple[Json, ...] = ()
    locale: str = ""


def read_interaction(raw: msgspec.Raw | bytes) -> Interaction | None:
    """The interaction in a dispatch; none if it lacks what it cannot be without."""
    try:
        data = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
    if not isinstance(data, dict):
        return None
    member, inner = as_map(data.get("member")), as_map(data.get("data"))
    user = read_user(as_map(member.get("user")) or as_map(data.get("user")))
    interaction_id, channel = read_id(data.get("id")), read_id(data.get("channel_id"))
    if user is None or not (interaction_id and channel and isinstance(data.get("token"), str)):
        return None
    message = as_map(data.get("message"))
    return Interaction(
        id=interaction_id,
        type=data["type"] if isinstance(data.get("type"), int) else 0,
        token=data["token"],
        application_id=read_id(data.get("application_id")),
        channel_id=channel,
        guild_id=read_id(data.get("guild_id")) or None,
        user=user,
        nick=_text(member.get("nick")),
        roles=read_roles(member),
        custom_id=_text(inner.get("custom_id")),
        values=_texts(inner.get("values")),
        fields=dict(_fields(inner.get("components"))),
        resolved={kind: as_map(found) for kind, found in as_map(inner.get("resolved")).items()},
        message_id=read_id(message.get("id")),
        components=tuple(one for one in as_list(message.get("components")) if isinstance(one, dict)),
        locale=_text(data.get("locale")),
    )


def _fields(components: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What was answered in a form: labels hold their control, old rows hold theirs in a list."""
    for component in as_list(components):
        outer = as_map(component)
        inner = outer.get("component")
        for control in [inner] if isinstance(inner, dict) else as_list(outer.get("components")):
            found = as_map(control)
            custom_id = _text(found.get("custom_id"))
            if not custom_id:
                continue
            value = found.get("value")
            if isinstance(value, bool):
                yield custom_id, ("yes" if value else "no",)
            elif isinstance(value, str):
                yield custom_id, (value,) if value else ()
            else:
                yield custom_id, _texts(found.get("values"))


def _text(value: Any, most: int = 4_000) -> str:
    return value[:most] if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one)[:4_000] for one in as_list(value)[:25] if isinstance(one, str | int))
