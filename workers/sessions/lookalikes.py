"""Characters that look like others, so that a forged word is found in whatever letters it is written.

:func:`skeleton` writes a text in plain ASCII where that is what people see: full-width and mathematical
letters, ligatures, Cyrillic and Greek twins, brackets and colons of other scripts; what nobody sees
(zero-width characters, soft hyphens, variation selectors) goes, and so do strokes and accents that are put
upon letters. It is for looking only: texts themselves stay as written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import chain

__all__ = ["positions", "skeleton"]

_TWINS = {
    "a": "аɑαᴀ", "b": "ЬɓʙВΒᏴ", "c": "сϲᴄС", "d": "ԁɗᴅ", "e": "еєҽɛᴇε", "f": "ƒϝ", "g": "ɡɢց", "h": "һʜНΗ",
    "i": "іıɩɪιІΙӏ", "j": "јϳᴊ", "k": "кκᴋΚК", "l": "ⅼʟӀǀ∣", "m": "мᴍМΜ", "n": "ոɴпηΝ", "o": "оοσөօᴏОΟ",
    "p": "рρᴘРΡ", "q": "ԛ", "r": "гʀᴦ", "s": "ѕꜱЅʂſ", "t": "тτᴛТΤ", "u": "υսᴜц", "v": "ѵνᴠ", "w": "ԝωᴡш",
    "x": "хχ×ХΧ", "y": "уүγʏУΥʸ", "z": "ᴢΖ", "A": "АΑ", "E": "ЕΕ",
    "<": "‹〈〈⟨❮❰˂ᐸ≺«《⟪⧼⦑", ">": "›〉〉⟩❯❱˃ᐳ≻»》⟫⧽⦒", "[": "【〔〖⟦❲⁅〚", "]": "】〕〗⟧❳⁆〛",
    "(": "❨❪⟮⦅", ")": "❩❫⟯⦆", ":": "꞉ː∶˸׃։：", "|": "│┃ǁ❘￨丨", "_": "＿▁‗", "-": "‐‑‒–—−", ",": "‚，",
}  # fmt: skip
_RANGES = (
    (0x00AA, 0x00BB), (0x02B0, 0x02FF), (0x1D2C, 0x1DBF), (0x2070, 0x209F), (0x2100, 0x218F),
    (0x2460, 0x24FF), (0xFB00, 0xFB07), (0xFE10, 0xFE1A), (0xFE30, 0xFE6C), (0xFF01, 0xFFEF),
    (0x1D400, 0x1D800), (0x1F110, 0x1F16A),
)  # fmt: skip
_UNSEEN = (0x115F, 0x1160, 0x2065, *range(0x2066, 0x2070), 0x3164, 0xFFA0)
"""Fillers: letters to Unicode, nothing to people. What else nobody sees has a category of its own."""
_PLACES = (range(0x0080, 0x3400), range(0xA000, 0xAC00), range(0xFB00, 0x20000), range(0xE0000, 0xE0200))
"""Where such characters are: all of Unicode but ideographs, Hangul and what is for private use."""
_MARKS = frozenset({"Mn", "Me", "Cf"})
"""Signs on top of letters, variants of letters, and what only formats: words stay readable through them."""


def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = {}
    for first, end in _RANGES:
        for code in range(first, end):
            plain = unicodedata.normalize("NFKC", chr(code))
            if plain != chr(code) and plain.isascii() and plain.strip():
                table[code] = plain
    for code in range(0x1F130, 0x1F14A):  # squared letters have no plain form in Unicode's tables
        table[code] = chr(ord("A") + code - 0x1F130)
    for code in range(0x1F150, 0x1F16A):
        table[code] = chr(ord("A") + code - 0x1F150)
    for code in range(0x1F170, 0x1F18A):
        table[code] = chr(ord("A") + code - 0x1F170)
    for plain, twins in _TWINS.items():
        table.update({ord(twin): plain for twin in twins if not twin.isascii()})
    table.update(dict.fromkeys(_UNSEEN))
    for code in chain.from_iterable(_PLACES):
        kind = unicodedata.category(chr(code))
        if kind in _MARKS or kind == "Zs":
            table[code] = " " if kind == "Zs" else None
    table[0x2800] = " "  # the empty pattern of Braille
    return table


_TABLE = _table()
_CHARS = frozenset(map(chr, _TABLE))


def skeleton(text: str) -> str:
    """``text`` as people read it, in ASCII where it looks like that. Not of the same length."""
    if text.isascii() or _CHARS.isdisjoint(text):
        return text
    return text.translate(_TABLE)


def positions(text: str) -> list[int]:
    """For each character of the skeleton, and for its end, the index in ``text`` it stands for."""
    return [*_positions(text), len(text)]


def _positions(text: str) -> Iterator[int]:
    for index, char in enumerate(text):
        plain = _TABLE.get(ord(char), char)
        for _ in plain or "":
            yield index
