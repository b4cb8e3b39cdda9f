"""Bodies of messages: create, edit, webhook execution, interaction answers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from shoal.simulator.errors import ApiError, invalid_form
from shoal.simulator.model import Json
from shoal.simulator.wire.components import check_components
from shoal.simulator.wire.forms import (
    Field,
    Problems,
    anything,
    boolean,
    empty_message,
    integer,
    list_of,
    number,
    obj,
    snowflake,
    text,
    url,
)

__all__ = ["V2", "VOICE", "check_message", "has_substance", "uploads_of"]

SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, VOICE, V2 = 1 << 2, 1 << 6, 1 << 12, 1 << 13, 1 << 15
EMBED_TOTAL = 6000

_IMAGE = obj({"url": Field(url(("http", "https", "attachment")), required=True)})
_EMBED = obj(
    {
        "title": Field(text(0, 256, strip=True)),
        "description": Field(text(0, 4096, strip=True)),
        "url": Field(url()),
        "timestamp": Field(text(0, 40)),
        "color": Field(integer(0, 0xFFFFFF)),
        "footer": Field(
            obj({"text": Field(text(0, 2048, strip=True), required=True), "icon_url": Field(text(0, 2048))})
        ),
        "image": Field(_IMAGE),
        "thumbnail": Field(_IMAGE),
        "author": Field(
            obj(
                {
                    "name": Field(text(0, 256, strip=True), required=True),
                    "url": Field(url()),
                    "icon_url": Field(text(0, 2048)),
                }
            )
        ),
        "fields": Field(
            list_of(
                obj(
                    {
                        "name": Field(text(1, 256, strip=True), required=True),
                        "value": Field(text(1, 1024, strip=True), required=True),
                        "inline": Field(boolean),
                    }
                ),
                25,
            )
        ),
    }
)
_ALLOWED_MENTIONS = obj(
    {
        "parse": Field(list_of(text(choices=("roles", "users", "everyone")), 3)),
        "roles": Field(list_of(snowflake, 100)),
        "users": Field(list_of(snowflake, 100)),
        "replied_user": Field(boolean),
    }
)
_ATTACHMENT = obj(
    {
        "id": Field(snowflake, required=True),
        "filename": Field(text(0, 1024)),
        "title": Field(text(0, 1024), nullable=True),
        "description": Field(text(0, 1024), nullable=True),
        "duration_secs": Field(number),
        "waveform": Field(text(0, 400)),
        "is_spoiler": Field(boolean),
        "uploaded_filename": Field(text(0, 1024)),
    }
)
_POLL = obj(
    {
        "question": Field(obj({"text": Field(text(1, 300), required=True)}), required=True),
        "answers": Field(
            list_of(
                obj(
                    {
                        "poll_media": Field(
                            obj({"text": Field(text(1, 55)), "emoji": Field(anything)}), required=True
                        )
                    }
                ),
                10,
                1,
            ),
            required=True,
        ),
        "duration": Field(integer(1, 768)),
        "allow_multiselect": Field(boolean),
        "layout_type": Field(integer(choices=(1,))),
    }
)
_NONCE = text(0, 25)
_COMMON = {
    "content": Field(text(0, 2000), nullable=True),
    "tts": Field(boolean),
    "flags": Field(integer(0)),
    "embeds": Field(list_of(_EMBED, 10), nullable=True),
    "allowed_mentions": Field(_ALLOWED_MENTIONS, nullable=True),
    "attachments": Field(list_of(_ATTACHMENT, 10), nullable=True),
    "poll": Field(_POLL, nullable=True),
}
_CREATE = obj(
    {
        **_COMMON,
        "nonce": Field(lambda v, p: v if type(v) is int else _NONCE(v, p)),
        "enforce_nonce": Field(boolean),
        "sticker_ids": Field(list_of(snowflake, 3)),
        "message_reference": Field(
            obj(
                {
                    "type": Field(integer(choices=(0, 1))),
                    "message_id": Field(snowflake, required=True),
                    "channel_id": Field(snowflake),
                    "guild_id": Field(snowflake),
                    "fail_if_not_exists": Field(boolean),
                }
            )
        ),
    }
)
_WEBHOOK = obj(
    {
        **_COMMON,
        "username": Field(text(1, 80)),
        "avatar_url": Field(text(0, 2048)),
        "thread_name": Field(text(1, 100)),
        "applied_tags": Field(list_of(snowflake, 5)),
    }
)
_SHAPES = {"create": _CREATE, "edit": obj(_COMMON), "webhook": _WEBHOOK, "interaction": obj(_COMMON)}
_FLAGS = {
    "create": SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | VOICE | V2,
    "webhook": SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | V2,
    "interaction": SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | VOICE | V2 | EPHEMERAL,
    "edit": SUPPRESS_EMBEDS | V2,
}
"""Flags a client may set; the others are dropped without a word, as Discord does."""


def check_message(
    body: Any, kind: str, *, files: Sequence[str] = (), old_flags: int = 0, kept: Sequence[str] = ()
) -> Json:
    """The cleaned body of a message.

    Args:
        body: the JSON body.
        kind: create, edit, webhook or interaction.
        files: names of the uploaded files, in order, for ``attachment://`` references.
        kept: names of files that are on the message already.
        old_flags: flags of the message being edited; the V2 flag stays for ever.

    Raises:
        ApiError: 50035 with all problems.
    """
    problems = Problems()
    cleaned: Json = _SHAPES[kind](body, problems)
    settable = _FLAGS[kind]
    lasting = old_flags if "flags" not in cleaned else old_flags & ~settable
    flags = cleaned.get("flags", 0) & settable | lasting | old_flags & V2
    v2 = bool(flags & V2)
    if isinstance(body, dict) and body.get("components") is not None:
        cleaned["components"] = check_components(body["components"], problems.at("components"), v2=v2)
    elif isinstance(body, dict) and "components" in body:
        cleaned["components"] = []
    if kind == "edit":
        cleaned["flags"] = flags
    else:
        cleaned["flags"] = cleaned.get("flags", 0) & settable
    if v2:
        _no_legacy(cleaned, problems)
    _totals(cleaned.get("embeds") or [], problems)
    _mention_rules(cleaned.get("allowed_mentions"), problems)
    _file_rules(cleaned, problems, files, kept)
    tree = problems.tree()
    if tree:
        raise invalid_form(tree)
    return cleaned


def _no_legacy(cleaned: Json, problems: Problems) -> None:
    for key in ("content", "embeds", "sticker_ids", "poll"):
        if cleaned.get(key):
            problems.at(key).add(
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                f"The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
            )


def _totals(embeds: list[Json], problems: Problems) -> None:
    total = 0
    for index, embed in enumerate(embeds):
        if not embed:
            problems.at("embeds", index).add("BASE_TYPE_REQUIRED")
        parts = [embed.get("title"), embed.get("description")]
        parts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
        for field in embed.get("fields") or []:
            parts += [field.get("name"), field.get("value")]
        total += sum(len(part) for part in parts if part)
    if total > EMBED_TOTAL:
        problems.at("embeds").add(
            "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        )


def _mention_rules(allowed: Json | None, problems: Problems) -> None:
    parse = (allowed or {}).get("parse") or []
    for key in ("users", "roles"):
        if key in parse and (allowed or {}).get(key):
            problems.at("allowed_mentions").add(
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.',
            )


def _file_rules(cleaned: Json, problems: Problems, files: Sequence[str], kept: Sequence[str] = ()) -> None:
    if len(files) > 10:
        raise ApiError(400, 30015, "Maximum number of attachments reached (10)")
    for index, attachment in enumerate(cleaned.get("attachments") or []):
        number = str(attachment.get("id", ""))
        if (
            len(number) < 15
            and number.isdigit()
            and int(number) >= len(files)
            and not attachment.get("uploaded_filename")
        ):
            problems.at("attachments", index, "id").add(
                "ATTACHMENT_NOT_FOUND", "An attachment without a file was provided"
            )
    notes = cleaned.get("attachments") or []
    known = {*files, *kept, *(str(note["filename"]) for note in notes if note.get("filename"))}
    _references(cleaned.get("components") or [], problems.at("components"), known)
    for index, embed in enumerate(cleaned.get("embeds") or []):
        for key in ("image", "thumbnail"):
            _reference(embed.get(key), problems.at("embeds", index, key), known)
    if cleaned.get("flags", 0) & VOICE:
        _voice_rules(cleaned, len(files))


def _voice_rules(cleaned: Json, files: int) -> None:
    """One recording with its length and waveform, and nothing else."""
    if any(cleaned.get(key) for key in ("content", "embeds", "components", "sticker_ids", "poll")):
        raise ApiError(400, 50159, "Voice messages do not support additional content.")
    notes = cleaned.get("attachments") or []
    if files + len(uploads_of(cleaned)) != 1 or len(notes) > 1:
        raise ApiError(400, 50160, "Voice messages must have a single audio attachment.")
    voice = notes[0] if notes else {}
    length, drawn = voice.get("duration_secs"), str(voice.get("waveform") or "")
    try:
        heights = len(base64.b64decode(drawn, validate=True))
    except ValueError:
        heights = 0
    if not isinstance(length, int | float) or length <= 0 or not 1 <= heights <= 256:
        raise ApiError(400, 50161, "Voice messages must have supporting metadata.")


def uploads_of(body: Json) -> list[Json]:
    """The ``attachments`` that were uploaded before, by signed addresses."""
    return [note for note in body.get("attachments") or [] if note.get("uploaded_filename")]


def _references(parts: list[Json], problems: Problems, known: set[str]) -> None:
    """Every ``attachment://name`` needs its file."""
    for index, part in enumerate(parts):
        here = problems.at(index)
        _references(part.get("components", []), here.at("components"), known)
        if "accessory" in part:
            _reference(part["accessory"].get("media"), here.at("accessory", "media"), known)
        for key in ("media", "file"):
            _reference(part.get(key), here.at(key), known)
        for place, item in enumerate(part.get("items", [])):
            _reference(item.get("media"), here.at("items", place, "media"), known)


def _reference(media: Json | None, problems: Problems, known: set[str]) -> None:
    url = str((media or {}).get("url", ""))
    if url.startswith("attachment://") and url.removeprefix("attachment://") not in known:
        problems.at("url").add(
            "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
            f"The referenced attachment {url.removeprefix('attachment://')!r} was not found",
        )


def has_substance(cleaned: Json, files: int) -> None:
    """Refuse a message with nothing in it.

    Raises:
        ApiError: 50006.
    """
    filled = any(cleaned.get(key) for key in ("embeds", "components", "sticker_ids", "poll"))
    uploads = files or any(a.get("uploaded_filename") for a in cleaned.get("attachments") or [])
    reference = cleaned.get("message_reference") or {}
    if (
        not filled
        and not uploads
        and not (cleaned.get("content") or "").strip()
        and reference.get("type") != 1
    ):
        raise empty_message()
