"""Names in the config: how a key like ``#Help Desk`` finds a guild or a channel (``spec/inbound.md`` 3.7).

A key names by id, match slug, display slug or the raw name (decision 9). An empty name or
slug matches nothing, so that a name in another script never matches by what is left of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

__all__ = ["KeyIndex", "display_slug", "key_matches", "match_slug", "name_slug"]


@lru_cache(maxsize=4096)
def match_slug(name: str) -> str:
    """The slug config keys are compared by: lower case, ``a-z0-9``, runs of the rest become ``-``.

    A purely non-Latin name gives the empty string, which matches nothing.
    """
    return re.sub(r"[^a-z0-9]+", "-", name.strip().lower().removeprefix("#")).strip("-")


@lru_cache(maxsize=4096)
def display_slug(name: str) -> str:
    """The slug people see and may write: letters and digits of every script stay."""
    text = unicodedata.normalize("NFC", name.strip()).lower().removeprefix("#")
    kept = (
        "-" if char.isspace() or char in "_-" or unicodedata.category(char)[0] not in "LMN" else char
        for char in text
    )
    return re.sub(r"-{2,}", "-", "".join(kept)).strip("-")


def name_slug(name: str) -> str:
    """A name as lists compare it; names without Latin letters keep their own (PluralKit has such)."""
    return match_slug(name) or display_slug(name)


class KeyIndex:
    """The keys of ``guilds`` or ``channels``, ready to be asked by id and name; ``*`` is not among them.

    Where several keys name the same thing, its id wins, then the first in the file. A key that is pinned
    to an id (:class:`workers.access.names.Names`) names that and nothing else.
    """

    __slots__ = ("_ids", "_names")

    def __init__(self, keys: Iterable[str], pins: Mapping[str, str] | None = None) -> None:
        pins = pins or {}
        self._ids: dict[str, str] = {}
        self._names: dict[tuple[str, str], tuple[int, str]] = {}
        written = [key for key in keys if key != "*"]
        for key in written:
            self._ids.setdefault(key.strip(), key)
        for order, key in enumerate(written):
            if key in pins:
                self._ids.setdefault(pins[key], key)
                continue
            for form in _forms_of_key(key.strip()):
                self._names.setdefault(form, (order, key))

    def find(self, *, id: str, name: str) -> str | None:
        """The key that names this id or name, if one does."""
        exact = self._ids.get(id)
        if exact is not None:
            return exact
        if not name or not self._names:
            return None
        hits = [hit for form in _forms_of_name(name) if (hit := self._names.get(form)) is not None]
        return min(hits)[1] if hits else None

    def has_id(self, id: str | None) -> bool:
        """Whether a key names this id, whatever it is called."""
        return id in self._ids

    @property
    def by_name(self) -> bool:
        """Whether some key can only be found by a name."""
        return any(not key.isdigit() for _, key in self._names.values())

    def __bool__(self) -> bool:
        return bool(self._ids)


def key_matches(key: str, *, id: str, name: str) -> bool:
    """Whether one key names this id or name."""
    return KeyIndex((key,)).find(id=id, name=name) is not None


def _forms_of_key(written: str) -> Iterable[tuple[str, str]]:
    bare, match, display = written.removeprefix("#"), match_slug(written), display_slug(written)
    if bare:
        yield "raw", bare
    # the slug must keep all that was written: 频道 must not match by an empty rest
    if match and match == display:
        yield "match", match
    if display:
        yield "display", display


def _forms_of_name(name: str) -> Iterable[tuple[str, str]]:
    return ("raw", name.removeprefix("#")), ("match", match_slug(name)), ("display", display_slug(name))
