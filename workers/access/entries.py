"""Allow-list entries: what an operator writes to name a user, a role, a guild or a channel.

Two rules run through everything here. A list that is absent and a list that is empty are
different: absent asks nobody, empty admits nobody (``spec/decisions.md`` 1). And names are
weak: they count only where ``dangerouslyAllowNameMatching`` says so, display names never.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shoal.discord.users import user_id_of

__all__ = ["AllowList", "Match", "display_slug", "key_matches", "match_slug"]

_PREFIXES = ("discord:user:", "discord:", "user:", "pk:")


def match_slug(name: str) -> str:
    """The slug config keys are compared by: lower case, ``a-z0-9``, runs of the rest become ``-``.

    A purely non-Latin name gives the empty string, which matches nothing (``spec/inbound.md`` 3.7).
    """
    return re.sub(r"[^a-z0-9]+", "-", name.strip().lower().removeprefix("#")).strip("-")


def display_slug(name: str) -> str:
    """The slug people see and may write: letters and digits of every script stay."""
    text = unicodedata.normalize("NFC", name.strip()).lower().removeprefix("#")
    kept = (
        "-" if char.isspace() or char in "_-" or unicodedata.category(char)[0] not in "LMN" else char
        for char in text
    )
    return re.sub(r"-{2,}", "-", "".join(kept)).strip("-")


def key_matches(key: str, *, id: str, name: str) -> bool:
    """Whether a ``guilds`` or ``channels`` key names this id or name (``spec/decisions.md`` 9).

    By id, match slug, display slug or the raw name; an empty name or slug matches nothing.
    """
    written = key.strip()
    if written == id:
        return True
    if not name:
        return False
    bare = written.removeprefix("#")
    if bare == name.removeprefix("#"):
        return True
    for slug in (match_slug, display_slug):
        wanted = slug(written)
        # a slug must keep all that was written: 频道 must not match by an empty rest
        if wanted and wanted == slug(name) and (slug is display_slug or wanted == display_slug(written)):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Match:
    """Which entry let somebody in, for logs and for the owner hint."""

    key: str
    source: Literal["wildcard", "id", "name", "tag"]


@dataclass(frozen=True, slots=True)
class AllowList:
    """A parsed list of users. Make it with :meth:`parse`; ``None`` stands for "no list written"."""

    wildcard: bool
    ids: frozenset[str]
    names: frozenset[str]

    @classmethod
    def parse(cls, entries: Iterable[str | int] | None) -> AllowList | None:
        """Read a list as written; ``None`` where there is none (``spec/inbound.md`` 3.2)."""
        if entries is None:
            return None
        wildcard, ids, names = False, set(), set()
        for raw in entries:
            entry = str(raw).strip()
            if not entry:
                continue
            if entry == "*":
                wildcard = True
            elif user := user_id_of(entry):
                ids.add(user)
            elif prefix := next((known for known in _PREFIXES if entry.startswith(known)), None):
                ids.add(entry[len(prefix) :])
            elif slug := match_slug(entry.removeprefix("@")):
                names.add(slug)
        return cls(wildcard, frozenset(ids), frozenset(names))

    @property
    def empty(self) -> bool:
        """It admits nobody."""
        return not (self.wildcard or self.ids or self.names)

    def match(
        self, user_id: str, *, username: str = "", tag: str = "", by_name: bool = False
    ) -> Match | None:
        """The first entry that fits, in the order wildcard, id, username, tag; or ``None``."""
        if self.wildcard:
            return Match("*", "wildcard")
        if user_id and user_id in self.ids:
            return Match(user_id, "id")
        if by_name:
            for source, value in (("name", username), ("tag", tag)):
                slug = match_slug(value)
                if slug and slug in self.names:
                    return Match(slug, "name" if source == "name" else "tag")
        return None

    def specific(self) -> AllowList:
        """The same list without its wildcard: a wildcard never makes an owner."""
        return AllowList(False, self.ids, self.names)
