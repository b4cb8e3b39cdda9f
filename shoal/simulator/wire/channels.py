"""Bodies about channels, threads, members, roles and application commands."""

from __future__ import annotations

import re
from typing import Any

from shoal.simulator.model import Json
from shoal.simulator.wire.forms import (
    Field,
    Problems,
    anything,
    boolean,
    integer,
    list_of,
    obj,
    snowflake,
    text,
)

__all__ = ["CHANNEL", "MEMBER", "NEW_CHANNEL", "OVERWRITE", "ROLE", "THREAD", "commands"]

_BITS = text(0, 30)
OVERWRITE = obj(
    {
        "id": Field(snowflake),
        "type": Field(integer(choices=(0, 1))),
        "allow": Field(_BITS, nullable=True),
        "deny": Field(_BITS, nullable=True),
    }
)
_TAG = obj(
    {
        "id": Field(snowflake, nullable=True),
        "name": Field(text(0, 20), required=True),
        "moderated": Field(boolean),
    }
)
_CHANNEL_FIELDS = {
    "name": Field(text(1, 100)),
    "type": Field(integer(choices=(0, 2, 4, 5, 13, 15, 16))),
    "topic": Field(text(0, 4096), nullable=True),
    "position": Field(integer(0), nullable=True),
    "nsfw": Field(boolean, nullable=True),
    "rate_limit_per_user": Field(integer(0, 21_600), nullable=True),
    "parent_id": Field(snowflake, nullable=True),
    "permission_overwrites": Field(list_of(OVERWRITE, 1000), nullable=True),
    "available_tags": Field(list_of(_TAG, 20)),
    "flags": Field(integer(0)),
}  # fmt: skip
CHANNEL = obj(
    {
        **_CHANNEL_FIELDS,
        "archived": Field(boolean),
        "locked": Field(boolean),
        "invitable": Field(boolean),
        "auto_archive_duration": Field(integer(choices=(60, 1440, 4320, 10080))),
        "applied_tags": Field(list_of(snowflake, 5)),
    }
)
NEW_CHANNEL = obj({**_CHANNEL_FIELDS, "name": Field(text(1, 100), required=True)})
THREAD = obj(
    {
        "name": Field(text(1, 100, strip=True), required=True),
        "type": Field(integer(choices=(10, 11, 12))),
        "auto_archive_duration": Field(integer(choices=(60, 1440, 4320, 10080))),
        "rate_limit_per_user": Field(integer(0, 21_600), nullable=True),
        "invitable": Field(boolean),
        "applied_tags": Field(list_of(snowflake, 5)),
        "message": Field(anything),
    }
)
MEMBER = obj(
    {
        "nick": Field(text(0, 32), nullable=True),
        "roles": Field(list_of(snowflake), nullable=True),
        "mute": Field(boolean, nullable=True),
        "deaf": Field(boolean, nullable=True),
        "channel_id": Field(snowflake, nullable=True),
        "communication_disabled_until": Field(text(10, 40), nullable=True),
        "flags": Field(integer(0), nullable=True),
    }
)
ROLE = obj(
    {
        "name": Field(text(0, 100)),
        "permissions": Field(_BITS),
        "color": Field(integer(0, 0xFFFFFF)),
        "hoist": Field(boolean),
        "mentionable": Field(boolean),
    }
)

# -- application commands ------------------------------------------------------------------------

_NAME = re.compile(r"[-_'\w]{1,32}")
_CHOICE = obj(
    {
        "name": Field(text(1, 100), required=True),
        "value": Field(anything, required=True),
        "name_localizations": Field(anything, nullable=True),
    }
)


def _name(value: Any, problems: Problems) -> Any:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value != value.lower():
        problems.add("APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    return value


def _option(value: Any, problems: Problems) -> Json:
    cleaned: Json = obj(
        {
            "type": Field(integer(1, 11), required=True),
            "name": Field(_name, required=True),
            "description": Field(text(1, 100), required=True),
            "required": Field(boolean),
            "autocomplete": Field(boolean),
            "choices": Field(list_of(_CHOICE, 25)),
            "options": Field(_options),
            "channel_types": Field(list_of(integer()), nullable=True),
            "min_value": Field(anything),
            "max_value": Field(anything),
            "min_length": Field(integer(0, 6000)),
            "max_length": Field(integer(1, 6000)),
            "name_localizations": Field(anything, nullable=True),
            "description_localizations": Field(anything, nullable=True),
        }
    )(value, problems)
    if cleaned.get("choices") and cleaned.get("autocomplete"):
        problems.at("autocomplete").add(
            "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", "choices and autocomplete exclude each other"
        )
    return cleaned


def _options(value: Any, problems: Problems) -> list[Json]:
    cleaned: list[Json] = list_of(_option, 25)(value, problems)
    optional_seen = False
    names: set[str] = set()
    for index, option in enumerate(cleaned):
        if option.get("required") and optional_seen:
            problems.at(index).add(
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                "Required options must be placed before non-required options",
            )
        optional_seen = optional_seen or (not option.get("required") and option.get("type", 0) > 2)
        if option.get("name") in names:
            problems.at(index).add("APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option names must be unique")
        names.add(str(option.get("name")))
    return cleaned


def _command(value: Any, problems: Problems) -> Json:
    kind = value.get("type", 1) if isinstance(value, dict) else 1
    slash = kind in (1, None)
    cleaned: Json = obj(
        {
            "id": Field(snowflake),
            "type": Field(integer(choices=(1, 2, 3, 4))),
            "name": Field(_name if slash else text(1, 32), required=True),
            "description": Field(text(1, 100) if slash else text(0, 0), required=slash),
            "options": Field(_options),
            "default_member_permissions": Field(_BITS, nullable=True),
            "dm_permission": Field(boolean, nullable=True),
            "nsfw": Field(boolean),
            "contexts": Field(list_of(integer(choices=(0, 1, 2))), nullable=True),
            "integration_types": Field(list_of(integer(choices=(0, 1)))),
            "name_localizations": Field(anything, nullable=True),
            "description_localizations": Field(anything, nullable=True),
            "handler": Field(integer(choices=(1, 2))),
        }
    )(value, problems)
    if _size(cleaned) > 8000:
        problems.add("APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")
    return cleaned


def _size(part: Any) -> int:
    """Characters of names, descriptions and values, nested ones too."""
    if isinstance(part, list):
        return sum(_size(item) for item in part)
    if not isinstance(part, dict):
        return 0
    own = sum(len(part[key]) for key in ("name", "description", "value") if isinstance(part.get(key), str))
    return own + _size(part.get("options")) + _size(part.get("choices"))


def commands(value: Any, problems: Problems) -> list[Json]:
    """A bulk overwrite: at most 100 slash, 15 user and 15 message commands with names that differ."""
    cleaned: list[Json] = list_of(_command)(value, problems)
    seen: set[tuple[int, str]] = set()
    counts: dict[int, int] = {}
    for index, command in enumerate(cleaned):
        key = (int(command.get("type") or 1), str(command.get("name")))
        counts[key[0]] = counts.get(key[0], 0) + 1
        if key in seen:
            problems.at(index).add(
                "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"
            )
        seen.add(key)
    for kind, most in ((1, 100), (2, 15), (3, 15), (4, 1)):
        if counts.get(kind, 0) > most:
            problems.add("BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer commands of type {kind}.")
    return cleaned
