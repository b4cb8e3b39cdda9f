"""Emoji and stickers of a server: listed, and made of pictures (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shoal.base.foreign import read_json
from shoal.discord.permissions import Permission
from shoal.discord.routes import Route
from shoal.discord.transport import File
from workers.actions.base import Action, ActionContext, Args, ArgumentError, Json, ask
from workers.actions.making import first_made, make, my_id
from workers.actions.pictures import LOTTIE, data_uri, picture

__all__ = ["EXPRESSION_ACTIONS"]

EMOJIS = "/guilds/{guild_id}/emojis"
STICKERS = "/guilds/{guild_id}/stickers"
MOST_EMOJI = 256 * 1024
MOST_STICKER = 512 * 1024
"""Bytes, from Discord's documentation of the two resources."""
_NAME = re.compile(r"\w{2,32}", re.ASCII)
_ENDINGS = {"image/png": "png", LOTTIE: "json"}


def _emoji_list(args: Args, context: ActionContext) -> Json:
    found = ask(context, Route("GET", EMOJIS, guild_id=args.guild(context)))
    return {"emojis": found[: args.number("limit", least=1, most=100, default=100)]}


def _emoji_upload(args: Args, context: ActionContext) -> Json:
    name = args.text("emojiName", "name").strip().strip(":")
    if not _NAME.fullmatch(name):
        raise ArgumentError(f"emojiName {name[:60]!r} must be 2 to 32 letters, digits or underscores.")
    roles = args.ids("roleIds", "roleId")
    file = picture(args, context, most=MOST_EMOJI, whose="Discord's limit for emoji")
    guild_id = args.guild(context)
    body: Json = {"name": name, "image": data_uri(file), **({"roles": roles} if roles else {})}

    def create() -> Json:
        made: Json = ask(context, Route("POST", EMOJIS, guild_id=guild_id), json=body)
        return made

    return {"emoji": make(context, lambda since: _ours(EMOJIS, name, since, guild_id, context), create)}


def _sticker_upload(args: Args, context: ActionContext) -> Json:
    name, tags = args.text("stickerName", "name", most=30), _tags(args)
    if len(name) < 2:
        raise ArgumentError("stickerName must have 2 to 30 characters.")
    about = args.text("stickerDesc", "description", "desc", required=False, most=100)
    if len(about) == 1:
        raise ArgumentError("stickerDesc must have 2 to 100 characters, or none.")
    file = picture(args, context, most=MOST_STICKER, whose="Discord's limit for stickers",
                   kinds=("image/png", LOTTIE), known_as="png, apng or lottie json")  # fmt: skip
    if file.mime == LOTTIE and not _is_lottie(file.data):
        raise ArgumentError("The JSON file is no Lottie animation.", fix="Send a png, apng or lottie json.")
    guild_id = args.guild(context)
    upload = File(f"sticker.{_ENDINGS[file.mime]}", file.data, file.mime)
    form = {"name": name, "description": about, "tags": tags}

    def create() -> Json:
        made: Json = ask(context, Route("POST", STICKERS, guild_id=guild_id), form=form, file=upload)
        return made

    return {"sticker": make(context, lambda since: _ours(STICKERS, name, since, guild_id, context), create)}


def _tags(args: Args) -> str:
    """Words for suggestions; Discord wants at least one, and keeps them as one text."""
    value = args.raw("stickerTags", "tags")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()
    if not text:
        raise ArgumentError("stickerTags is missing.", fix="Give an emoji or words that suggest the sticker.")
    if len(text) > 200:
        raise ArgumentError(f"stickerTags has {len(text)} characters; at most 200 are possible.")
    return text


def _is_lottie(data: bytes) -> bool:
    try:
        value = read_json(data)
    except ValueError:
        return False
    return isinstance(value, Mapping) and isinstance(value.get("layers"), list)


def _ours(path: str, name: str, since_ms: int, guild_id: str, context: ActionContext) -> Json | None:
    """The one of this name that we made since."""
    me, there = my_id(context), ask(context, Route("GET", path, guild_id=guild_id))
    own = [one for one in there if str((one.get("user") or {}).get("id")) == me]
    return first_made(own, since_ms, name=name)


_CREATE = Permission.CREATE_GUILD_EXPRESSIONS

EXPRESSION_ACTIONS = (
    Action("emoji-list", "reactions", "custom emoji of the server", _emoji_list),
    Action("emoji-upload", "emojiUploads", "make an emoji; emojiName, media (png, jpg, gif up to 256 KB), "
           "roleIds", _emoji_upload, asks=_CREATE),
    Action("sticker-upload", "stickerUploads", "make a sticker; stickerName, stickerTags, stickerDesc, media "
           "(png, apng, lottie json up to 512 KB)", _sticker_upload, asks=_CREATE),
)  # fmt: skip
