"""How people write whom they mean: the forms of one user id in a list of users."""

from __future__ import annotations

from collections.abc import Iterable

from shoal.base.ids import USER_MENTION

__all__ = ["user_id_of", "user_ids"]

_PREFIXES = ("discord:user:", "discord:", "user:")


def user_id_of(entry: str | int) -> str | None:
    """The id in ``123``, ``<@123>``, ``<@!123>``, ``user:123``, ``discord:123`` or ``discord:user:123``.

    None for names, tags, wildcards and ids of other systems.
    """
    text = str(entry).strip()
    if mention := USER_MENTION.fullmatch(text):
        return mention.group(1)
    prefix = next((known for known in _PREFIXES if text.startswith(known)), "")
    rest = text[len(prefix) :]
    return rest if rest.isascii() and rest.isdigit() else None


def user_ids(entries: Iterable[str | int]) -> tuple[str, ...]:
    """The ids of those entries that name one, in their order, each once."""
    found = (user_id_of(entry) for entry in entries)
    return tuple(dict.fromkeys(user for user in found if user))
