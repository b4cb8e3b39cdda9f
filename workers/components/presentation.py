"""``presentation``: a card described without Discord's words (end of ``spec/outbound.md`` 5.1).

    {title, tone: neutral|info|success|warning|danger, blocks: [
        {type: text, text} | {type: context, text} | {type: divider}
        | {type: buttons, buttons: [{label, value?, url?, style?, disabled?}]}
        | {type: select, placeholder?, options: [{label, value}]}]}

It becomes a :class:`~workers.components.spec.Spec` like any other. What is only too long or too much for
Discord is no mistake of who wrote it: labels are cut, controls beyond the bounds are told as lines, and a
card that still does not fit is told as text as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from workers.components.reader import Reader
from workers.components.spec import (
    BUTTON_STYLES,
    MOST_COMPONENTS,
    Actions,
    Block,
    Button,
    Option,
    Select,
    Separator,
    Spec,
    TextBlock,
)

__all__ = ["MAX_TEXT", "Presentation", "parse_presentation"]

Tone = Literal["neutral", "info", "success", "warning", "danger"]

MAX_TEXT = 2_000
"""Text of a card; a longer one is told as messages."""
MAX_BUTTONS = 25
ROW = 5
MAX_BUTTON_LABEL = 80
MAX_OPTIONS = 25
MAX_OPTION_LABEL = 100
MAX_VALUE_BYTES = 100
_LONGEST = 100_000

TONES: tuple[Tone, ...] = ("neutral", "info", "success", "warning", "danger")
COLORS: dict[Tone, int] = {"success": 0x57F287, "warning": 0xFEE75C, "danger": 0xED4245}
"""Discord's own; the other tones have the account's colour."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class _Divider:
    pass


@dataclass(frozen=True, slots=True)
class _Buttons:
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class _Menu:
    placeholder: str
    options: tuple[Option, ...]


_Block = _Text | _Divider | _Buttons | _Menu


@dataclass(frozen=True, slots=True)
class Presentation:
    """A card, as it was described. ``ignored``: paths of what has no meaning here."""

    title: str = ""
    tone: Tone = "neutral"
    blocks: tuple[_Block, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def has_controls(self) -> bool:
        """Something in it can be pressed and sends an interaction."""
        buttons = [button for block in self.blocks if isinstance(block, _Buttons) for button in block.buttons]
        return any(button.url is None for button in buttons) or any(
            isinstance(block, _Menu) for block in self.blocks
        )

    def spec(self, text: str = "") -> Spec | None:
        """As components, or none where it does not fit. ``text``: the message's own, which leads."""
        blocks = tuple(self._blocks())
        spec = Spec(blocks=blocks, accent_color=COLORS.get(self.tone), ignored=self.ignored)
        chars = len(text) + sum(len(block.text) for block in blocks if isinstance(block, TextBlock))
        count = 1 + bool(text) + sum(_count(block) for block in blocks)
        fits = chars <= MAX_TEXT and count <= MOST_COMPONENTS
        return spec if fits and (blocks or text) else None

    def plain(self, text: str = "") -> str:
        """As text: everything is said, nothing can be pressed."""
        parts = [text, f"**{self.title}**" if self.title else ""]
        for block in self.blocks:
            match block:
                case _Text():
                    parts.append(_small(block.text) if block.small else block.text)
                case _Buttons():
                    parts.append("\n".join(_told(button) for button in block.buttons))
                case _Menu():
                    parts.append(_told_menu(block.placeholder, block.options))
                case _Divider():
                    pass
        return "\n\n".join(part for part in parts if part)

    def _blocks(self) -> Iterator[Block]:
        if self.title:
            yield TextBlock(f"### {self.title}")
        room = MAX_BUTTONS
        for block in self.blocks:
            match block:
                case _Text():
                    yield TextBlock(_small(block.text) if block.small else block.text)
                case _Divider():
                    yield Separator()
                case _Buttons():
                    shown, rest = block.buttons[:room], block.buttons[room:]
                    room -= len(shown)
                    for start in range(0, len(shown), ROW):
                        yield Actions(shown[start : start + ROW])
                    if rest:
                        yield TextBlock("\n".join(_told(button) for button in rest))
                case _Menu():
                    yield from _menu(block)


def parse_presentation(raw: Any, path: str = "presentation") -> Presentation:
    """Check a card.

    Args:
        raw: an object, or its JSON text.

    Raises:
        SpecError: it is none; the message names the path.
    """
    card = Reader.of(raw, path).object()
    made = Presentation(
        title=" ".join(card.at("title").text(_LONGEST).split()),
        tone=card.at("tone").choice(TONES, "neutral"),
        blocks=tuple(_read(entry) for entry in card.at("blocks").items(500)),
    )
    made = replace(made, ignored=card.ignored())
    if not made.title and not made.blocks:
        raise card.fail("must include a title or at least one block")
    return made


def _read(reader: Reader) -> _Block:
    block = reader.object()
    kind = block.at("type").text(30, required=True).lower()
    read = _KINDS.get(kind)
    if read is None:
        raise block.at("type").fail(f"must be one of {', '.join(_KINDS)}")
    return read(block)


def _read_text(block: Reader) -> _Block:
    return _Text(block.at("text").text(_LONGEST, required=True))


def _read_context(block: Reader) -> _Block:
    return _Text(block.at("text").text(_LONGEST, required=True), small=True)


def _read_buttons(block: Reader) -> _Block:
    found = []
    for entry in block.at("buttons").items(500, least=1):
        button = entry.object()
        url, style = button.at("url"), button.at("style").choice(BUTTON_STYLES, "secondary")
        if style == "link" and url.absent:
            raise url.fail("is required for link buttons")
        found.append(
            Button(
                label=_cut(button.at("label").text(_LONGEST, required=True), MAX_BUTTON_LABEL),
                style=style if url.absent else "link",
                url=None if url.absent else url.url(),
                disabled=button.at("disabled").flag(),
                callback=button.at("value").text(2_000),
            )
        )
    return _Buttons(tuple(found))


def _read_menu(block: Reader) -> _Block:
    found: dict[str, Option] = {}
    for entry in block.at("options").items(500, least=1):
        option = entry.object()
        label, value = option.at("label").text(_LONGEST, required=True), option.at("value")
        chosen = label if value.absent else value.text(_LONGEST, required=True)
        if chosen in found:
            raise value.fail(f"{chosen[:60]!r} is used twice")
        found[chosen] = Option(_cut(label, MAX_OPTION_LABEL), chosen)
    return _Menu(_cut(block.at("placeholder").text(_LONGEST), 150), tuple(found.values()))


_KINDS: dict[str, Callable[[Reader], _Block]] = {
    "text": _read_text,
    "context": _read_context,
    "divider": lambda _block: _Divider(),
    "buttons": _read_buttons,
    "select": _read_menu,
}


def _menu(menu: _Menu) -> Iterator[Block]:
    """The options that Discord takes; the others below, in words."""
    fit = [option for option in menu.options if len(option.value.encode()) <= MAX_VALUE_BYTES][:MAX_OPTIONS]
    if fit:
        yield Actions(select=Select(placeholder=menu.placeholder, options=tuple(fit)))
    rest = [option for option in menu.options if option not in fit]
    if rest:
        yield TextBlock("\n".join(f"- {option.label}" for option in rest))


def _count(block: Block) -> int:
    return 1 + (len(block.buttons) or 1) if isinstance(block, Actions) else 1


def _small(text: str) -> str:
    return "\n".join(f"-# {line}" for line in text.split("\n") if line.strip())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _told(button: Button) -> str:
    return f"- {button.label}: {button.url}" if button.url else f"- {button.label}"


def _told_menu(placeholder: str, options: tuple[Option, ...]) -> str:
    lines = [f"- {option.label}" for option in options]
    return "\n".join([f"{placeholder}:", *lines] if placeholder else lines)
