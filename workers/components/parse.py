"""From what a model wrote to a :class:`~workers.components.spec.Spec`, or an error that names the path.

The rules are those of ``spec/outbound.md`` 5.1 and 5.2 within Discord's own bounds: what passes here is
taken by Discord.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workers.components.forms import check_choices, parse_form
from workers.components.reader import Reader
from workers.components.spec import (
    ATTACHMENT,
    BUTTON_STYLES,
    MOST_COMPONENTS,
    MOST_TEXT,
    SELECT_TYPES,
    Actions,
    Block,
    Button,
    ButtonStyle,
    CallbackKind,
    Emoji,
    FileBlock,
    Gallery,
    GalleryItem,
    Option,
    Section,
    Select,
    Separator,
    Spec,
    TextBlock,
    Thumbnail,
)

__all__ = ["parse_spec"]

_CUSTOM = re.compile(r"<?(?P<animated>a(?=:))?:?(?P<name>\w{1,32}):(?P<id>\d{5,20})>?", re.ASCII)
_WORD = re.compile(r"[A-Za-z:_\s]")
_FIRST_EMOJI = 0xA9
"""The copyright sign; digits of keycaps come before it, but not alone."""

CALLBACKS: tuple[CallbackKind, ...] = ("command", "callback")


def parse_spec(raw: Any, path: str = "components") -> Spec:
    """Check a description.

    Args:
        raw: an object, or its JSON text.

    Raises:
        SpecError: something in it cannot be made; the message names the path.
    """
    spec = Reader.of(raw, path).object()
    container = spec.at("container")
    box = Reader({}, container.path) if container.absent else container.object()
    form = spec.at("modal")
    made = Spec(
        text=spec.at("text").text(MOST_TEXT),
        blocks=tuple(_block(entry) for entry in spec.at("blocks").items(MOST_COMPONENTS)),
        form=None if form.absent else parse_form(form, _option),
        reusable=spec.at("reusable").flag(),
        accent_color=box.at("accentColor", "accent_color").color(),
        spoiler=box.at("spoiler").flag(),
    )
    if not made.text and not made.blocks and made.form is None:
        raise spec.fail("must include at least one block, text, or modal trigger")
    shown = {block.name for block in made.blocks if isinstance(block, FileBlock)}
    if len(shown) > 1:
        raise spec.at("blocks").fail("support a single file. Use media-gallery for multiple files")
    _fits(made, spec)
    return replace(made, ignored=spec.ignored())


def _fits(made: Spec, spec: Reader) -> None:
    """Discord's bounds on the whole: 40 components, 4,000 characters of text."""
    count = 1 + bool(made.text)
    for block in made.blocks:
        if isinstance(block, Section):
            count += 2 + len(block.texts)
        else:
            count += 1 + (len(block.buttons) or 1) if isinstance(block, Actions) else 1
    count += 2 if made.form is not None else 0
    if count > MOST_COMPONENTS:
        raise spec.fail(f"makes {count} components; Discord shows at most {MOST_COMPONENTS}")
    if made.chars > MOST_TEXT:
        raise spec.fail(f"has {made.chars} characters of text; at most {MOST_TEXT} are possible")


def _block(reader: Reader) -> Block:
    block = reader.object()
    kind = block.at("type").text(30, required=True).lower().replace("_", "-")
    make = _BLOCKS.get(kind)
    if make is None:
        raise block.at("type").fail(f"must be one of {', '.join(_BLOCKS)}")
    return make(block)


def _text(block: Reader) -> Block:
    return TextBlock(block.at("text").text(MOST_TEXT, required=True))


def _section(block: Reader) -> Block:
    texts = block.at("texts")
    found: tuple[str, ...]
    if texts.absent:
        found = (block.at("text").text(MOST_TEXT, required=True),)
    else:
        listed = texts.items(3, least=1, too_many="supports up to 3 text displays")
        found = tuple(entry.text(MOST_TEXT, required=True) for entry in listed)
    if block.at("accessory").absent:
        raise block.at("accessory").fail("is required, a thumbnail or a button; without one use text blocks")
    accessory = block.at("accessory").object()
    kind = accessory.at("type").choice(("thumbnail", "button"), "thumbnail")
    if kind == "thumbnail":
        return Section(found, Thumbnail(accessory.at("url").url(2_048, attachments=True)))
    inner = accessory.at("button")
    return Section(found, _button(accessory if inner.absent else inner.object()))


def _separator(block: Reader) -> Block:
    spacing = block.at("spacing")
    if spacing.value in (1, 2) and not isinstance(spacing.value, bool):
        large = spacing.value == 2
    else:
        large = spacing.choice(("small", "large", "1", "2"), "small") in ("large", "2")
    return Separator(large, block.at("divider").flag(True))


def _actions(block: Reader) -> Block:
    select = block.at("select")
    buttons = block.at("buttons").items(5, too_many="supports up to 5 buttons")
    if buttons and not select.absent:
        raise block.fail("cannot include both buttons and select")
    if not select.absent:
        return Actions(select=_select(select.object()))
    if not buttons:
        raise block.fail("requires buttons or select")
    return Actions(tuple(_button(entry.object()) for entry in buttons))


def _button(button: Reader) -> Button:
    url = button.at("url")
    style: ButtonStyle = button.at("style").choice(BUTTON_STYLES, "primary")
    if style == "link" and url.absent:
        raise url.fail("is required for link buttons")
    kind = button.at("callbackDataKind")
    reusable = button.at("reusable")
    return Button(
        label=button.at("label").text(80, required=True),
        style="link" if not url.absent else style,
        url=None if url.absent else url.url(),
        emoji=_emoji(button.at("emoji")),
        disabled=button.at("disabled").flag(),
        reusable=None if reusable.absent else reusable.flag(),
        allowed_users=button.at("allowedUsers").users(),
        callback=button.at("callbackData").text(2_000),
        callback_kind=None if kind.absent else kind.choice(CALLBACKS, "callback"),
    )


def _select(select: Reader) -> Select:
    kind = select.at("type").choice(SELECT_TYPES, "string")
    options = select.at("options")
    if kind == "string" and not options.value:
        raise options.fail("is required: string select menus require options")
    if kind != "string" and options.value:
        raise options.fail(f"goes with string select menus only, not with {kind}")
    low, high = select.at("minValues").number(0, 25), select.at("maxValues").number(1, 25)
    found = tuple(_option(entry) for entry in options.items(25))
    if low is not None and low > (1 if high is None else high):
        raise select.at("minValues").fail("must not exceed maxValues")
    if kind == "string" and max(low or 0, high or 0) > len(found):
        raise select.at("maxValues").fail(f"exceeds the {len(found)} options there are")
    check_choices(found, options, 1 if high is None else high)
    callback = select.at("callbackDataKind")
    return Select(
        type=kind,
        placeholder=select.at("placeholder").text(150),
        min_values=low,
        max_values=high,
        options=found,
        allowed_users=select.at("allowedUsers").users(),
        callback=select.at("callbackData").text(2_000),
        callback_kind=None if callback.absent else callback.choice(CALLBACKS, "callback"),
    )


def _option(reader: Reader) -> Option:
    option = reader.object()
    label = option.at("label").text(100, required=True)
    value = option.at("value")
    return Option(
        label=label,
        value=label if value.absent else value.text(100, required=True),
        description=option.at("description").text(100),
        emoji=_emoji(option.at("emoji")),
        default=option.at("default").flag(),
    )


def _emoji(reader: Reader) -> Emoji | None:
    if reader.absent:
        return None
    if isinstance(reader.value, str):
        text = reader.text(80, required=True)
        custom = _CUSTOM.fullmatch(text)
        if custom is not None:
            return Emoji(custom["name"], custom["id"], bool(custom["animated"]))
        return Emoji(_unicode(text, reader))
    emoji = reader.object()
    number = emoji.at("id").text(20)
    if number and not number.isdigit():
        raise emoji.at("id").fail("must be a Discord id")
    name = emoji.at("name").text(64, required=not number)
    if not number:
        name = _unicode(name, emoji.at("name"))
    return Emoji(name, number or None, emoji.at("animated").flag())


def _unicode(text: str, reader: Reader) -> str:
    """An emoji as a character. Discord refuses names (``smile``) and other text, with the whole message."""
    if _WORD.search(text) or not any(ord(char) >= _FIRST_EMOJI for char in text):
        raise reader.fail(f"{text!r} is no emoji; write the character, or <:name:id> for a custom one")
    return text


def _gallery(block: Reader) -> Block:
    items = []
    for entry in block.at("items").items(10, least=1):
        item = entry.object()
        items.append(
            GalleryItem(
                item.at("url").url(2_048, attachments=True),
                item.at("description").text(1_024),
                item.at("spoiler").flag(),
            )
        )
    return Gallery(tuple(items))


def _file(block: Reader) -> Block:
    name = block.at("file").text(300, required=True)
    if not name.startswith(ATTACHMENT) or name == ATTACHMENT:
        raise block.at("file").fail(f"must start with {ATTACHMENT}")
    return FileBlock(name.removeprefix(ATTACHMENT), block.at("spoiler").flag())


_BLOCKS: dict[str, Callable[[Reader], Block]] = {
    "text": _text,
    "section": _section,
    "separator": _separator,
    "actions": _actions,
    "media-gallery": _gallery,
    "file": _file,
    "row": _actions,
    "action-row": _actions,
}
