"""A description on the wire: one container of Discord's components v2, and the entries to remember.

Everything stands inside one container (type 17), whose colour is the description's or the
account's (decision 33). The button that opens a form joins the last row of buttons that has room,
else it gets a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from shoal.discord.wire import ComponentType as Kind
from workers.components.custom_ids import ControlId, component_id, control_id, message_group
from workers.components.entries import ControlEntry, FieldEntry, FormEntry
from workers.components.spec import (
    MOST_TEXT,
    Actions,
    Block,
    Button,
    Emoji,
    FileBlock,
    Form,
    FormField,
    Gallery,
    Option,
    Section,
    Select,
    SelectType,
    Separator,
    Spec,
    TextBlock,
    Thumbnail,
)

__all__ = ["DEFAULT_ACCENT", "Encoded", "Origin", "encode_spec", "modal_data"]

DEFAULT_ACCENT = 0x5865F2
STYLES = {"primary": 1, "secondary": 2, "success": 3, "danger": 4, "link": 5}
SELECTS: dict[SelectType, Kind] = {
    "string": Kind.STRING_SELECT,
    "user": Kind.USER_SELECT,
    "role": Kind.ROLE_SELECT,
    "mentionable": Kind.MENTIONABLE_SELECT,
    "channel": Kind.CHANNEL_SELECT,
}
FIELDS = {
    "text": Kind.TEXT_INPUT,
    "checkbox": Kind.CHECKBOX_GROUP,
    "radio": Kind.RADIO_GROUP,
    "select": Kind.STRING_SELECT,
    "role-select": Kind.ROLE_SELECT,
    "user-select": Kind.USER_SELECT,
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """What made the message: ids derive from ``cause`` and ``step``, clicks go back to the conversation."""

    cause: str
    step: str
    account: str
    channel_id: str
    session_key: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """``components`` for the message, ``entries`` for the registry under ``group``."""

    components: list[Json]
    group: str
    entries: list[ControlEntry | FormEntry]


@dataclass
class _Maker:
    spec: Spec
    origin: Origin
    entries: list[ControlEntry | FormEntry] = field(default_factory=list)
    number: int = 0

    @cached_property
    def group(self) -> str:
        return message_group(self.origin.cause, self.origin.step)

    def new_id(self, kind: Any) -> str:
        self.number += 1
        return component_id(kind, self.group, self.number)

    def remember(self, **fields: Any) -> ControlEntry:
        origin = self.origin
        entry = ControlEntry(
            group=self.group,
            session_key=origin.session_key,
            agent_id=origin.agent_id,
            account=origin.account,
            channel_id=origin.channel_id,
            **fields,
        )
        self.entries.append(entry)
        return entry


def encode_spec(spec: Spec, origin: Origin, *, text: str = "", accent: int | None = None) -> Encoded:
    """Put a description on the wire.

    Args:
        text: the message's own text; it leads where the description has none.
        accent: ``ui.components.accentColor`` of the account.
    """
    maker = _Maker(spec, origin)
    inner: list[Json] = []
    lead = spec.text or text
    if lead:
        inner.append({"type": Kind.TEXT_DISPLAY, "content": lead[:MOST_TEXT]})
    inner.extend(_block(block, maker) for block in spec.blocks)
    if spec.form is not None:
        _add_trigger(inner, spec.form, maker)
    color = spec.accent_color if spec.accent_color is not None else accent
    box: Json = {
        "type": Kind.CONTAINER,
        "components": inner,
        "accent_color": DEFAULT_ACCENT if color is None else color,
    }
    if spec.spoiler:
        box["spoiler"] = True
    return Encoded([box], maker.group, maker.entries)


def modal_data(form: FormEntry) -> Json:
    """The answer that opens a form."""
    return {
        "custom_id": control_id(ControlId(form=form.id)),
        "title": form.title,
        "components": [_label(entry) for entry in form.fields],
    }


def _block(block: Block, maker: _Maker) -> Json:
    match block:
        case TextBlock():
            return {"type": Kind.TEXT_DISPLAY, "content": block.text}
        case Section():
            return {
                "type": Kind.SECTION,
                "components": [{"type": Kind.TEXT_DISPLAY, "content": text} for text in block.texts],
                "accessory": _accessory(block.accessory, maker),
            }
        case Separator():
            return {
                "type": Kind.SEPARATOR,
                "divider": block.divider,
                "spacing": 2 if block.large else 1,
            }
        case Actions():
            controls = (
                [_select(block.select, maker)]
                if block.select is not None
                else [_button(button, maker) for button in block.buttons]
            )
            return {"type": Kind.ACTION_ROW, "components": controls}
        case Gallery():
            return {
                "type": Kind.MEDIA_GALLERY,
                "items": [_item(item.url, item.description, item.spoiler) for item in block.items],
            }
        case FileBlock():
            made: Json = {"type": Kind.FILE, "file": {"url": f"attachment://{block.name}"}}
            return {**made, "spoiler": True} if block.spoiler else made


def _item(url: str, description: str, spoiler: bool) -> Json:
    made: Json = {"media": {"url": url}}
    if description:
        made["description"] = description
    if spoiler:
        made["spoiler"] = True
    return made


def _accessory(accessory: Button | Thumbnail, maker: _Maker) -> Json:
    if isinstance(accessory, Thumbnail):
        return {"type": Kind.THUMBNAIL, "media": {"url": accessory.url}}
    return _button(accessory, maker)


def _button(button: Button, maker: _Maker) -> Json:
    made: Json = {"type": Kind.BUTTON, "style": STYLES[button.style], "label": button.label}
    if button.emoji is not None:
        made["emoji"] = _emoji(button.emoji)
    if button.disabled:
        made["disabled"] = True
    if button.url is not None:
        return {**made, "url": button.url}
    entry = maker.remember(
        id=maker.new_id("btn"),
        kind="button",
        label=button.label,
        callback=button.callback,
        callback_kind=button.callback_kind or "",
        reusable=maker.spec.reusable if button.reusable is None else button.reusable,
        allowed_users=button.allowed_users,
    )
    return {**made, "custom_id": control_id(ControlId(entry.id))}


def _select(select: Select, maker: _Maker) -> Json:
    entry = maker.remember(
        id=maker.new_id("sel"),
        kind="select",
        label=select.placeholder or "select",
        select_type=select.type,
        options={option.value: option.label for option in select.options},
        callback=select.callback,
        callback_kind=select.callback_kind or "",
        reusable=maker.spec.reusable,
        allowed_users=select.allowed_users,
    )
    made: Json = {"type": SELECTS[select.type], "custom_id": control_id(ControlId(entry.id))}
    if select.placeholder:
        made["placeholder"] = select.placeholder
    if select.min_values is not None:
        made["min_values"] = select.min_values
    if select.max_values is not None:
        made["max_values"] = select.max_values
    if select.options:
        made["options"] = [_option(option) for option in select.options]
    return made


def _option(option: Option) -> Json:
    made: Json = {"label": option.label, "value": option.value}
    if option.description:
        made["description"] = option.description
    if option.emoji is not None:
        made["emoji"] = _emoji(option.emoji)
    if option.default:
        made["default"] = True
    return made


def _emoji(emoji: Emoji) -> Json:
    if emoji.id is None:
        return {"name": emoji.name}
    made: Json = {"id": emoji.id, **({"name": emoji.name} if emoji.name else {})}
    return {**made, "animated": True} if emoji.animated else made


def _add_trigger(inner: list[Json], form: Form, maker: _Maker) -> None:
    form_id = maker.new_id("mdl")
    origin = maker.origin
    maker.entries.append(
        FormEntry(
            id=form_id,
            title=form.title,
            group=maker.group,
            fields=tuple(_field(one, maker) for one in form.fields),
            session_key=origin.session_key,
            agent_id=origin.agent_id,
            account=origin.account,
            channel_id=origin.channel_id,
            callback=form.callback,
            reusable=maker.spec.reusable,
            allowed_users=form.allowed_users,
        )
    )
    entry = maker.remember(
        id=maker.new_id("btn"),
        kind="form-trigger",
        label=form.trigger_label,
        form=form_id,
        reusable=maker.spec.reusable,
        allowed_users=form.allowed_users,
    )
    trigger: Json = {
        "type": Kind.BUTTON,
        "style": STYLES[form.trigger_style],
        "label": form.trigger_label,
        "custom_id": control_id(ControlId(entry.id, form_id)),
    }
    rows = [part["components"] for part in inner if part["type"] == Kind.ACTION_ROW]
    if rows and len(rows[-1]) < 5 and all(control["type"] == Kind.BUTTON for control in rows[-1]):
        rows[-1].append(trigger)
    else:
        inner.append({"type": Kind.ACTION_ROW, "components": [trigger]})


def _field(one: FormField, maker: _Maker) -> FieldEntry:
    return FieldEntry(
        id=maker.new_id("fld"),
        name=one.name,
        label=one.label,
        type=one.type,
        options={option.value: option.label for option in one.options},
        required=one.required,
        description=one.description,
        placeholder=one.placeholder,
        min_values=one.min_values,
        max_values=one.max_values,
        min_length=one.min_length,
        max_length=one.max_length,
        paragraph=one.paragraph,
        choices=tuple(_option(option) for option in one.options),
    )


def _label(entry: FieldEntry) -> Json:
    """One field of a modal: a label around its control."""
    kind = FIELDS[entry.type]
    control: Json = {"type": kind, "custom_id": entry.id, "required": entry.required}
    if kind == Kind.TEXT_INPUT:
        control["style"] = 2 if entry.paragraph else 1
        control.update(_given(min_length=entry.min_length, max_length=entry.max_length))
    if entry.choices:
        control["options"] = [
            _without_emoji(choice) if kind != Kind.STRING_SELECT else choice for choice in entry.choices
        ]
    if kind != Kind.RADIO_GROUP:
        control.update(_given(min_values=entry.min_values, max_values=entry.max_values))
    if entry.placeholder and kind not in (Kind.RADIO_GROUP, Kind.CHECKBOX_GROUP):
        control["placeholder"] = entry.placeholder
    label: Json = {"type": Kind.LABEL, "label": entry.label, "component": control}
    return {**label, "description": entry.description} if entry.description else label


def _given(**values: int | None) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _without_emoji(choice: Mapping[str, object]) -> Json:
    return {name: value for name, value in choice.items() if name != "emoji"}
