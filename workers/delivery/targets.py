"""Where to: the grammar of targets, and the channel a target means (``spec/outbound.md`` 2).

A delivery lane is named by a *resolved* channel, so a target is resolved before the push:
``user:1`` and ``channel:<its DM>`` are one place and must be one lane (rule R20). Opening a
DM is one request, and its result is kept with the facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from shoal.base.errors import RequestError
from shoal.base.ids import USER_MENTION
from shoal.discord.users import user_ids
from shoal.state.facts import Facts
from workers.access.lookup import Directory, find_entry

__all__ = [
    "DmOpener",
    "Target",
    "TargetError",
    "UnknownTarget",
    "named_target",
    "parse_target",
    "resolve_channel",
    "split_targets",
]

_CHANNEL = re.compile(r"<#(\d{1,20})>")
_NAMED = re.compile(r"(?:discord:)?(user|channel):(.+)", re.IGNORECASE)

_BETWEEN = re.compile(r",|\s+(?=(?:discord|user|channel):|[<#@]|\d+(?:[\s,]|$))", re.IGNORECASE)


class TargetError(RequestError):
    """The target cannot be understood; the text says how to write it."""

    code: ClassVar[str] = "bad-target"
    misused = True


class UnknownTarget(TargetError):
    """Nothing is called so, or several things are."""

    code: ClassVar[str] = "unknown-target"
    misused = False


@dataclass(frozen=True, slots=True)
class Target:
    """A user or a channel, by id."""

    kind: Literal["user", "channel"]
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def parse_target(
    text: str, *, default: Literal["user", "channel"] | None = None, allow_from: Iterable[str] = ()
) -> Target:
    """Read a target.

    Args:
        text: ``channel:<id>``, ``user:<id>``, ``discord:…``, ``<@id>``, ``<#id>``, ``@<id>`` or a bare id.
        default: kind of a bare id that is not in ``allow_from``; ``None`` refuses it as ambiguous.
        allow_from: the account's effective allow list: a bare id on it is a user.

    Raises:
        TargetError: empty, ambiguous, or no id.
    """
    given = text.strip()
    if not given:
        raise TargetError(
            "Discord recipient is required.",
            fix='Use "channel:<id>" for channels or "user:<id>" for DMs.',
        )
    if mention := USER_MENTION.fullmatch(given):
        return Target("user", mention.group(1))
    if channel := _CHANNEL.fullmatch(given):
        return Target("channel", channel.group(1))
    if named := _NAMED.fullmatch(given):
        kind: Literal["user", "channel"] = "user" if named.group(1).lower() == "user" else "channel"
        return Target(kind, _id(named.group(2), given))
    if given.lower().startswith("discord:"):
        return Target("user", _id(given[8:], given))
    if given.startswith("@"):
        if given.isascii() and given[1:].isdigit():
            return Target("user", given[1:])
        raise TargetError(
            f"{given} is no user id.", fix="Discord DMs require a user id: use user:<id> or a <@id> mention."
        )
    if given.isascii() and given.isdigit():
        if given in user_ids(
            entry.lower() for entry in allow_from
        ):  # here a prefix may be written in any case
            return Target("user", given)
        if default is not None:
            return Target(default, given)
        raise TargetError(
            f'Ambiguous Discord recipient "{given}".',
            fix=f'For DMs use "user:{given}" or "<@{given}>"; for channels use "channel:{given}".',
        )
    raise TargetError(f"{given!r} is no Discord target.", fix='Use "channel:<id>" or "user:<id>".')


def split_targets(value: Any) -> list[str]:
    """The targets of a broadcast, each once: a list, or words between white space; commas part both.

    Names in a list may have spaces (``My Server/#news``): there white space parts only what begins a target.
    """
    given = value if isinstance(value, list | tuple) else str(value or "").split()
    words = (word.strip() for one in given for word in _BETWEEN.split(str(one)))
    return list(dict.fromkeys(word for word in words if word))


def _id(text: str, given: str) -> str:
    found = text.strip()
    if not (found.isascii() and found.isdigit() and len(found) <= 20):
        raise TargetError(f"{given!r} has no id.", fix='Use "channel:<id>" or "user:<id>" with digits.')
    return found


def named_target(text: str, directory: Directory) -> Target:
    """What a name means (2.3): the channel that is called so, else the one member.

    Args:
        text: ``#name``, ``Guild/#name``, ``channel:<name>`` for channels; ``@name``, ``user:<name>``,
            ``discord:<name>`` for people; anything else is looked for as both.

    Raises:
        UnknownTarget: nothing is called so, or several are; says which.
        ShoalError: Discord could not be asked.
    """
    given = text.strip()
    prefixed = _NAMED.fullmatch(given)
    kind, name = (prefixed.group(1).lower(), prefixed.group(2).strip()) if prefixed else ("", given)
    if not prefixed and given.lower().startswith("discord:"):
        kind, name = "user", given[8:].strip()
    people = kind == "user" or name.startswith("@")
    found = find_entry(f"@{name.removeprefix('@')}" if people else name, directory)
    if not found.id and not people and kind != "channel" and not name.startswith("#") and "/" not in name:
        person = find_entry(f"@{name}", directory)
        found = person if person.id else found
    if found.kind == "user" and kind != "channel":
        return Target("user", found.id)
    if found.kind in ("channel", "thread"):
        return Target("channel", found.id)
    note = f"a {found.kind} is called so" if found.id else found.note
    raise UnknownTarget(f"{given!r} was not found: {note}.", fix='Use "channel:<id>" or "user:<id>".')


class DmOpener(Protocol):
    """The one call of ``shoal.discord.rest.Rest`` that is needed here."""

    def create_dm(self, user_id: str) -> dict[str, Any]:
        """Open (or find) the DM channel with a user."""
        ...


def resolve_channel(target: Target, *, account: str, facts: Facts, rest: DmOpener) -> str:
    """The channel id of a target; a DM is opened once and then known.

    Raises:
        DiscordError, TransportError, RateWait: from opening a DM.
    """
    if target.kind == "channel":
        return target.id
    known = facts.dm_channel(account, target.id)
    if known:
        return known
    channel_id = str(rest.create_dm(target.id)["id"])
    facts.put_dm_channel(account, target.id, channel_id)
    return channel_id
