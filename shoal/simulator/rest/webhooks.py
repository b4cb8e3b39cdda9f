"""Webhooks: made and listed with the bot's token, spoken through with their own (``discord/facts.md`` 13)."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from shoal.simulator.errors import ApiError, invalid_form, unknown
from shoal.simulator.model import Channel, Json, Webhook
from shoal.simulator.permissions import MANAGE_WEBHOOKS, compute
from shoal.simulator.rest.messages import check_sizes, require
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.forms import Field, obj, text, validate
from shoal.simulator.wire.messages import check_message, has_substance

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["add_webhook", "by_token", "speak"]

MOST_OF_A_CHANNEL = 15
FORBIDDEN = ("clyde", "discord")
INTERACTIVE = frozenset({2, 3, 5, 6, 7, 8})
LINK = 5
TRUE = ("true", "True", "1")


def by_token(call: Call) -> Webhook:
    """The webhook of the path; 10015, or 50027 for a wrong token."""
    webhook = call.core.world.webhooks.get(call.params["webhook_id"])
    if webhook is None:
        raise unknown("webhook")
    if webhook.token != call.params["webhook_token"]:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    return webhook


def add_webhook(core: Core, channel: Channel, name: str, creator: str, app: str | None) -> Webhook:
    """A new webhook of a channel; ``app`` is the application that owns it, if one does."""
    token, world = secrets.token_urlsafe(51), core.world
    webhook = Webhook(world.new_id(), channel.id, channel.guild_id, name, token, creator, app)
    world.webhooks[webhook.id] = webhook
    core.events.webhooks(channel)
    return webhook


# -- speaking ------------------------------------------------------------------------------------


def speak(call: Call, webhook: Webhook) -> Answer:
    """A message under any name: 204, or with ``wait`` the message.

    A nonce and a reference are no fields of it, so the same request twice is two messages.
    """
    body = check_message(call.body or {}, "webhook", files=[name for name, _, _ in call.files])
    _check_name(body.get("username"), "username")
    _components(call, webhook, body)
    has_substance(body, len(call.files))
    check_sizes(call)
    channel = _place(call, webhook, body)
    avatar = body.get("avatar_url")
    message = call.core.actions.create(
        channel,
        webhook.creator_id,
        body,
        files=call.files,
        default_mentions=("users",),
        webhook_id=webhook.id,
        webhook_name=body.get("username") or webhook.name,
        webhook_avatar=hashlib.md5(str(avatar).encode(), usedforsecurity=False).hexdigest()
        if avatar
        else None,
        application_id=webhook.application_id,
    )
    return Answer(200, call.core.payloads.message(message)) if call.arg("wait") in TRUE else Answer(204)


def _place(call: Call, webhook: Webhook, body: Json) -> Channel:
    """Its channel, or a thread of it, or (in a forum) a new post."""
    home = call.core.world.channel(webhook.channel_id)
    thread_id, title = call.arg("thread_id"), body.get("thread_name")
    if thread_id and title:
        raise ApiError(
            400, 220002, "Webhooks posted to forum channels cannot have both a thread_name and thread_id"
        )
    if title and not home.is_forum:
        raise ApiError(400, 220003, "Webhooks can only create threads in forum channels")
    if title:
        return call.core.actions.start_thread(home, webhook.creator_id, {"name": title})
    if thread_id is None:
        if home.is_forum:
            raise ApiError(
                400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id"
            )
        return home
    thread = call.core.world.channels.get(thread_id)
    if thread is None or thread.parent_id != home.id or not thread.is_thread:
        raise unknown("channel")
    if thread.locked:
        raise ApiError(400, 160005, "This thread is locked")
    return thread


def _components(call: Call, webhook: Webhook, body: Json) -> None:
    """An application's own webhook may have all; others, where they ask for it, those nobody can press."""
    if not body.get("components") or webhook.application_id is not None:
        return
    if call.arg("with_components") not in TRUE:
        body.pop("components")
    elif _pressable(body["components"]):
        problem = {
            "code": "COMPONENT_NOT_ALLOWED",
            "message": "Interactive components need a webhook that an application owns",
        }
        raise invalid_form({"components": {"_errors": [problem]}})


def _pressable(parts: list[Json]) -> bool:
    return any(
        (part.get("type") in INTERACTIVE and part.get("style") != LINK)
        or _pressable(part.get("components") or [])
        or ("accessory" in part and _pressable([part["accessory"]]))
        for part in parts
    )


def _check_name(name: str | None, field: str) -> None:
    word = next((word for word in FORBIDDEN if word in (name or "").lower()), None)
    if word is not None:
        problem = {"code": "USERNAME_INVALID_CONTAINS", "message": f'Username cannot contain "{word}"'}
        raise invalid_form({field: {"_errors": [problem]}})


# -- making and listing --------------------------------------------------------------------------


@route("POST", "/channels/{channel_id}/webhooks")
def create_webhook(call: Call) -> Answer:
    """Make a webhook, which the calling application owns."""
    channel = call.channel()
    if channel.guild_id is None or channel.is_thread:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    require(call, channel, MANAGE_WEBHOOKS)
    fields = {"name": Field(text(1, 80), required=True), "avatar": Field(text(), nullable=True)}
    body = validate(obj(fields), call.fields())
    _check_name(body["name"], "name")
    if len(_of(call, channel)) >= MOST_OF_A_CHANNEL:
        raise ApiError(400, 30007, f"Maximum number of webhooks reached ({MOST_OF_A_CHANNEL})")
    webhook = add_webhook(call.core, channel, body["name"], call.me, call.me)
    return Answer(200, call.core.payloads.webhook(webhook))


@route("GET", "/channels/{channel_id}/webhooks")
def list_webhooks(call: Call) -> Answer:
    """Webhooks of a channel. The token of another application's is not shown."""
    channel = call.channel()
    require(call, channel, MANAGE_WEBHOOKS)
    return Answer(200, [_shown(call, webhook) for webhook in _of(call, channel)])


@route("GET", "/guilds/{guild_id}/webhooks")
def list_of_guild(call: Call) -> Answer:
    """Webhooks of a guild, as far as the bot may manage them."""
    guild = call.core.world.guild(call.params["guild_id"])
    places = [channel for channel in call.core.world.channels_of(guild.id) if _manages(call, channel)]
    if not places:
        raise ApiError(403, 50013, "Missing Permissions")
    return Answer(200, [_shown(call, webhook) for channel in places for webhook in _of(call, channel)])


@route("GET", "/webhooks/{webhook_id}")
def read_own(call: Call) -> Answer:
    """A webhook by its id."""
    return Answer(200, _shown(call, _managed(call)))


@route("PATCH", "/webhooks/{webhook_id}")
def change_own(call: Call) -> Answer:
    """Rename a webhook."""
    webhook = _managed(call)
    body = validate(obj({"name": Field(text(1, 80))}), call.fields())
    _check_name(body.get("name"), "name")
    webhook.name = body.get("name") or webhook.name
    call.core.events.webhooks(call.core.world.channel(webhook.channel_id))
    return Answer(200, _shown(call, webhook))


@route("DELETE", "/webhooks/{webhook_id}")
def delete_own(call: Call) -> Answer:
    """Delete a webhook by its id."""
    return _delete(call, _managed(call))


@route("GET", "/webhooks/{webhook_id}/{webhook_token}", auth=False)
def read_webhook(call: Call) -> Answer:
    """A webhook by its token."""
    return Answer(200, call.core.payloads.webhook(by_token(call), with_user=False))


@route("DELETE", "/webhooks/{webhook_id}/{webhook_token}", auth=False)
def delete_webhook(call: Call) -> Answer:
    """Delete a webhook by its token."""
    return _delete(call, by_token(call))


def _of(call: Call, channel: Channel) -> list[Webhook]:
    return [webhook for webhook in call.core.world.webhooks.values() if webhook.channel_id == channel.id]


def _shown(call: Call, webhook: Webhook) -> Json:
    payload = call.core.payloads.webhook(webhook)
    if webhook.application_id not in (None, call.me):
        del payload["token"], payload["url"]
    return payload


def _manages(call: Call, channel: Channel) -> bool:
    return not call.core.settings.permissions or bool(
        compute(call.core.world, channel, call.me) & MANAGE_WEBHOOKS
    )


def _managed(call: Call) -> Webhook:
    webhook = call.core.world.webhooks.get(call.params["webhook_id"])
    if webhook is None:
        raise unknown("webhook")
    require(call, call.core.world.channel(webhook.channel_id), MANAGE_WEBHOOKS)
    return webhook


def _delete(call: Call, webhook: Webhook) -> Answer:
    del call.core.world.webhooks[webhook.id]
    call.core.events.webhooks(call.core.world.channel(webhook.channel_id))
    return Answer(204)
