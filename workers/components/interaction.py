"""An interaction as Discord sends it (a click, a form, a command), read with patience."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shoal.discord.wire import InteractionType
from workers.sessions.wire import User, as_list, as_map, read_id, read_roles, read_user

__all__ = ["Interaction", "read_interaction"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One interaction.

    Attributes:
        user: who acted; with ``nick`` and ``roles`` where it was in a guild. Without an id it is not known.
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

    @property
    def of_control(self) -> bool:
        """Somebody pressed a control or handed a form in, and it is known who and where."""
        acts = (InteractionType.MESSAGE_COMPONENT, InteractionType.MODAL_SUBMIT)
        return self.type in acts and bool(self.user.id and self.channel_id)

    @property
    def shows_thinking(self) -> bool:
        """Deferred, it shows "thinking …": a command, or a form that no message's control opened.

        Which it is follows from the kind, not from what the gateway noted: its note comes after its deferral.
        """
        asks = (InteractionType.APPLICATION_COMMAND, InteractionType.MODAL_SUBMIT)
        return self.type in asks and not self.message_id and bool(self.application_id)


def read_interaction(raw: msgspec.Raw | bytes) -> Interaction | None:
    """The interaction in a dispatch; none if it lacks what it cannot be answered without."""
    try:
        data = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
    if not isinstance(data, dict):
        return None
    member, inner = as_map(data.get("member")), as_map(data.get("data"))
    user = read_user(as_map(member.get("user")) or as_map(data.get("user")))
    interaction_id, token = read_id(data.get("id")), data.get("token")
    if not (interaction_id and isinstance(token, str)):
        return None
    message = as_map(data.get("message"))
    return Interaction(
        id=interaction_id,
        type=data["type"] if isinstance(data.get("type"), int) else 0,
        token=token,
        application_id=read_id(data.get("application_id")),
        channel_id=read_id(data.get("channel_id")),
        guild_id=read_id(data.get("guild_id")) or None,
        user=user or User(""),
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
