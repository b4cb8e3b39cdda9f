"""The agent's description of a message with components (``spec/outbound.md`` 5.1), as plain data.

Made by :mod:`workers.components.parse`, put on the wire by :mod:`workers.components.encode`. Everything
here has been checked: lengths, counts and choices are within Discord's bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = [
    "ATTACHMENT",
    "BUTTON_STYLES",
    "MOST_COMPONENTS",
    "MOST_TEXT",
    "SELECT_TYPES",
    "Actions",
    "Block",
    "Button",
    "ButtonStyle",
    "Emoji",
    "FieldType",
    "FileBlock",
    "Form",
    "FormField",
    "Gallery",
    "GalleryItem",
    "Option",
    "Section",
    "Select",
    "SelectType",
    "Separator",
    "Spec",
    "TextBlock",
    "Thumbnail",
]

MOST_TEXT = 4_000
MOST_COMPONENTS = 40
"""What Discord takes in one message: characters, and components with all that is in them."""

ButtonStyle = Literal["primary", "secondary", "success", "danger", "link"]
SelectType = Literal["string", "user", "role", "mentionable", "channel"]
BUTTON_STYLES: tuple[ButtonStyle, ...] = get_args(ButtonStyle)
SELECT_TYPES: tuple[SelectType, ...] = get_args(SelectType)
FieldType = Literal["text", "checkbox", "radio", "select", "role-select", "user-select"]
CallbackKind = Literal["command", "callback"]
ATTACHMENT = "attachment://"


@dataclass(frozen=True, slots=True)
class Emoji:
    """A unicode emoji by name, or a custom one with its id."""

    name: str
    id: str | None = None
    animated: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a select, radio or checkbox group."""

    label: str
    value: str
    description: str = ""
    emoji: Emoji | None = None
    default: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """A button. ``url`` makes it a link, which sends no interaction.

    Attributes:
        reusable: answers every click until it expires; none takes the message's setting.
        allowed_users: who may click; empty is everybody who may talk here.
        callback: text the click stands for instead of ``Clicked "…"``.
    """

    label: str
    style: ButtonStyle = "primary"
    url: str | None = None
    emoji: Emoji | None = None
    disabled: bool = False
    reusable: bool | None = None
    allowed_users: tuple[str, ...] = ()
    callback: str = ""
    callback_kind: CallbackKind | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """A select menu; ``options`` for the type ``string`` only."""

    type: SelectType = "string"
    placeholder: str = ""
    min_values: int | None = None
    max_values: int | None = None
    options: tuple[Option, ...] = ()
    allowed_users: tuple[str, ...] = ()
    callback: str = ""
    callback_kind: CallbackKind | None = None


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Discord Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture beside a section."""

    url: str


@dataclass(frozen=True, slots=True)
class Section:
    """One to three texts with a button or picture beside them."""

    texts: tuple[str, ...]
    accessory: Button | Thumbnail


@dataclass(frozen=True, slots=True)
class Separator:
    """Space between blocks, with or without a line."""

    large: bool = False
    divider: bool = True


@dataclass(frozen=True, slots=True)
class Actions:
    """A row of up to five buttons, or one select."""

    buttons: tuple[Button, ...] = ()
    select: Select | None = None


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """One picture or video, by URL or as ``attachment://<name>``."""

    url: str
    description: str = ""
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Gallery:
    """Up to ten pictures."""

    items: tuple[GalleryItem, ...]


@dataclass(frozen=True, slots=True)
class FileBlock:
    """A file of this message, ``attachment://<name>``."""

    name: str
    spoiler: bool = False


Block = TextBlock | Section | Separator | Actions | Gallery | FileBlock


@dataclass(frozen=True, slots=True)
class FormField:
    """One question of a form."""

    name: str
    label: str
    type: FieldType = "text"
    description: str = ""
    placeholder: str = ""
    required: bool = True
    options: tuple[Option, ...] = ()
    min_values: int | None = None
    max_values: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    paragraph: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form that opens by a button of its own."""

    title: str
    fields: tuple[FormField, ...]
    trigger_label: str = "Open form"
    trigger_style: ButtonStyle = "primary"
    allowed_users: tuple[str, ...] = ()
    callback: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole message.

    Attributes:
        text: a leading text block.
        reusable: controls answer more than once, until they expire.
        accent_color: colour of the container, 0 to 0xFFFFFF; none takes the account's.
        spoiler: the container is hidden until it is clicked.
        ignored: paths of what was written and has no meaning here.
    """

    text: str = ""
    blocks: tuple[Block, ...] = ()
    form: Form | None = None
    reusable: bool = False
    accent_color: int | None = None
    spoiler: bool = False
    ignored: tuple[str, ...] = ()

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files of the message that its blocks show, each once."""
        names = [name for block in self.blocks for name in _files_of(block)]
        return tuple(dict.fromkeys(names))

    @property
    def chars(self) -> int:
        """Characters of text that are shown at once."""
        texts = [text for block in self.blocks for text in _texts_of(block)]
        return len(self.text) + sum(map(len, texts))

    @property
    def is_plain(self) -> bool:
        """Nothing but words: no form, no box of its own, nothing to press or look at."""
        boxed = self.spoiler or self.accent_color is not None
        return not boxed and self.form is None and all(isinstance(block, TextBlock) for block in self.blocks)


def _texts_of(block: Block) -> tuple[str, ...]:
    if isinstance(block, Section):
        return block.texts
    return (block.text,) if isinstance(block, TextBlock) else ()


def _files_of(block: Block) -> list[str]:
    if isinstance(block, FileBlock):
        return [block.name]
    urls = [item.url for item in block.items] if isinstance(block, Gallery) else []
    if isinstance(block, Section) and isinstance(block.accessory, Thumbnail):
        urls = [block.accessory.url]
    return [url.removeprefix(ATTACHMENT) for url in urls if url.startswith(ATTACHMENT)]
